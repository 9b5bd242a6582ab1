//! The metric that a threshold recommendation predicts, and its value over a replay.

use statrs::distribution::{ContinuousCDF, Gamma};

use crate::advise::{
    Metric,
    kit::{Interval, LEVEL},
    threshold::{
        RuleScore,
        spec::{ALERTS, FALSE_ALERTS},
    },
};

/// Returns the predicted metric: false alerts a week, or alerts a week without labelled incidents.
pub(super) fn metric(labelled: bool) -> Metric {
    if labelled { FALSE_ALERTS } else { ALERTS }
}

/// Returns the false alerts a week (all alerts when unlabelled) of a replay, with the exact interval of a Poisson count
/// at [`LEVEL`].
///
/// # Reference
/// Garwood (1936): the ends are quantiles of gamma distributions with shapes n and n + 1.
pub(super) fn effect(score: &RuleScore, labelled: bool) -> Interval {
    let (count, per_week) = if labelled {
        (score.false_alerts, score.false_alerts_per_week())
    } else {
        (score.alerts, score.alerts_per_week())
    };
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let n = count as f64;
    let weekly = |events: f64| {
        if score.span_ms > 0.0 { events * 604_800_000.0 / score.span_ms } else { 0.0 }
    };
    let tail = (1.0 - LEVEL) / 2.0;
    // With no event the lower gamma distribution does not exist and the end is 0.
    let lower = Gamma::new(n, 1.0).map_or(0.0, |law| law.inverse_cdf(tail));
    let upper = Gamma::new(n + 1.0, 1.0).map_or(n, |law| law.inverse_cdf(1.0 - tail));
    Interval { value: per_week, lower: weekly(lower).min(per_week), upper: weekly(upper).max(per_week) }
}
