//! What bounds the rows of a statement.

use super::{BatchSpec, fetch::BatchFacts, fit::BatchFit};
use crate::advise::kit::duration_text;

/// Bind parameters of a statement in PostgreSQL's protocol: their number has 16 bits.
const PARAMETERS_MAX: f64 = 65_535.0;
/// Sizes relative to the largest one seen up to which the line is extended.
const BEYOND: f64 = 2.0;

/// An upper bound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limit {
    /// Name in the evidence.
    pub(super) name: &'static str,
    /// Most rows.
    pub(super) rows: f64,
    /// Reason, as part of a sentence.
    pub(super) reason: String,
}

/// Returns all bounds, the tightest first.
pub(super) fn limits(spec: &BatchSpec, facts: &BatchFacts, fit: &BatchFit) -> Vec<Limit> {
    let mut found = vec![
        Limit {
            name: "latency",
            rows: within(fit, spec.latency_max_ms),
            reason: format!("the 95th percentile of its time is at most {}", duration_text(spec.latency_max_ms)),
        },
        Limit {
            name: "seen",
            rows: BEYOND * fit.largest,
            reason: format!("twice the largest size that was measured is {:.0}", BEYOND * fit.largest),
        },
    ];
    if let Some(lock_ms) = spec.lock_max_ms {
        found.push(Limit {
            name: "lock",
            rows: within(fit, lock_ms),
            reason: format!("it holds the locks of its rows for at most {}", duration_text(lock_ms)),
        });
    }
    if let Some(wait_ms) = spec.wait_max_ms {
        found.push(Limit {
            name: "wait",
            rows: facts.rows_per_second * seconds(wait_ms),
            reason: format!(
                "{:.1} rows arrive in a second, and a row waits at most {}",
                facts.rows_per_second,
                duration_text(wait_ms)
            ),
        });
    }
    if let Some(parameters) = facts.parameters.filter(|parameters| *parameters >= 1.0) {
        found.push(Limit {
            name: "parameters",
            rows: (PARAMETERS_MAX / parameters).floor(),
            reason: format!("a statement has at most 65535 bind parameters, {parameters:.0} for each row"),
        });
    }
    found.sort_by(|a, b| a.rows.total_cmp(&b.rows));
    found
}

/// Returns the most rows whose 95th percentile is within a time.
fn within(fit: &BatchFit, ms: i64) -> f64 {
    let room = seconds(ms) / fit.tail - fit.line.intercept;
    if room <= 0.0 {
        0.0
    } else if fit.line.slope > 0.0 {
        room / fit.line.slope
    } else {
        f64::INFINITY
    }
}

/// Returns milliseconds in seconds.
#[expect(clippy::cast_precision_loss, reason = "a duration of the configuration")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
