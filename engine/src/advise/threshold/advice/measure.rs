//! Measures the effect of an applied rule by the same replay that its prediction came from.

use almanac_models::Timestamp;
use statrs::distribution::{Beta, ContinuousCDF};

use super::{
    effect::effect,
    fetch::{EVALUATIONS_MAX, RuleHistory},
    terms::RuleTerms,
};
use crate::{
    advise::{
        kit::LEVEL,
        threshold::{RuleScore, ThresholdError, spec::FALSE_ALERTS},
    },
    ledger::Measured,
    store::Store,
};

const DAY_MS: i64 = 86_400_000;
/// Time after the application that is waited for at most; less when the prediction was scored on less.
const MEASURED_SPAN_MS: i64 = 7 * DAY_MS;
/// Minimum number of incidents after the application from which the caught share is tested.
const INCIDENTS_MIN: usize = 3;

/// Measures the applied rule since `applied_at`: false alerts a week, or alerts a week when `metric` is of unlabelled
/// incidents. Returns `None` until enough time has passed.
///
/// The rule is replayed on its signal. A rule that catches a significantly smaller share of at least three incidents
/// than predicted breaks its prediction, whatever its false alerts.
///
/// # Errors
/// [`ThresholdError`] when the signal cannot be evaluated.
pub(in crate::advise::threshold) fn measure(
    store: &Store,
    terms: &RuleTerms,
    metric: &str,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, ThresholdError> {
    let promised_on = terms.scored_until_ms.zip(terms.scored_from_ms);
    let promised_on = promised_on.map_or(MEASURED_SPAN_MS, |(until, from)| until - from);
    let since_ms = now.millis() - applied_at.millis();
    if since_ms < promised_on.clamp(0, MEASURED_SPAN_MS) {
        return Ok(None);
    }
    let rule = &terms.rule;
    let step_ms = rule.interval_ms.max(1);
    let evaluations = (since_ms / step_ms).saturating_add(EVALUATIONS_MAX).min(4 * EVALUATIONS_MAX);
    // Evaluations before the application are read too: a band needs history to learn from.
    let history = RuleHistory::fetch(store, &rule.signal, step_ms, evaluations, now)?;
    Ok(rule
        .score(&history, applied_at.millis())
        .and_then(|score| to_measured(terms.promised_catches(), metric == FALSE_ALERTS.name, &score)))
}

/// Converts a score to a measurement. `promised`: incidents caught on the held-out history, and their total.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn to_measured(promised: Option<(usize, usize)>, labelled: bool, score: &RuleScore) -> Option<Measured> {
    if score.evaluations == 0 {
        return None;
    }
    let realised = effect(score, labelled);
    let promised = promised.map(|(caught, all)| (caught as f64, all as f64));
    let broken =
        promised.filter(|_| labelled && score.incidents >= INCIDENTS_MIN).and_then(|(promised_caught, all)| {
            let promised = promised_caught / all;
            let (caught, missed) = (score.incidents_caught as f64, (score.incidents - score.incidents_caught) as f64);
            // Credible intervals of both shares under a uniform prior. The prediction is an estimate from counts as
            // well, so it is broken only when the intervals do not overlap.
            let end = |caught: f64, missed: f64, at: f64| {
                Beta::new(caught + 1.0, missed + 1.0).map_or(at, |law| law.inverse_cdf(at))
            };
            let most = end(caught, missed, 0.5 + LEVEL / 2.0);
            let least = end(promised_caught, all - promised_caught, 0.5 - LEVEL / 2.0);
            let message = format!(
                "it caught {} of {} incidents; {:.0} % were predicted",
                score.incidents_caught,
                score.incidents,
                100.0 * promised
            );
            (most < least).then_some(message)
        });
    Some(Measured { value: realised.value, lower: realised.lower, upper: realised.upper, broken })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Direction::Lower;

    /// Measures four weeks after a prediction of four of four incidents.
    fn judged(caught: usize, incidents: usize, false_alerts: usize) -> Measured {
        let score = RuleScore {
            alerts: false_alerts,
            false_alerts,
            incidents,
            incidents_caught: caught,
            evaluations: 40_320,
            span_ms: 4.0 * 604_800_000.0,
            ..RuleScore::default()
        };
        to_measured(Some((4, 4)), true, &score).unwrap()
    }

    #[test]
    fn a_prediction_is_broken_by_significantly_fewer_catches() {
        for (caught, incidents, broken) in [(3, 3, false), (20, 20, false), (9, 10, false), (1, 8, true), (0, 2, false)]
        {
            assert_eq!(judged(caught, incidents, 4).broken.is_some(), broken, "{caught} of {incidents}");
        }
        let message = judged(1, 8, 4).broken.unwrap();
        assert_eq!(message, "it caught 1 of 8 incidents; 100 % were predicted");
        assert!(
            judged(4, 4, 4).keeps(Lower, 0.5, 2.0)
                && !judged(1, 8, 4).keeps(Lower, 0.5, 2.0)
                && !judged(4, 4, 40).keeps(Lower, 0.5, 2.0)
        );
    }
}
