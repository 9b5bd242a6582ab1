//! Decides whether a signal is due for a fit.

use almanac_models::Timestamp;

use super::{LearnOptions, SignalSpec};
use crate::store::rows::{SignalRow, SignalStatus};

/// Returns the interval between refits of a signal, in milliseconds.
pub(super) fn refit_interval_ms(spec: &SignalSpec, options: &LearnOptions) -> i64 {
    options.refit_ms.unwrap_or_else(|| spec.step.millis().saturating_mul(360).clamp(600_000, 6 * 3_600_000))
}

/// Whether a signal is due for a fit at `now`: it is new or changed, its last fit is old, its forecast drifted, or its
/// last failed attempt is at least `retry_ms` ago.
///
/// `row`: the stored row of the signal. `attempted`: time of the last attempt in this process.
pub(super) fn is_due(
    spec: &SignalSpec,
    row: Option<&SignalRow>,
    attempted: Option<Timestamp>,
    drifted: bool,
    now: Timestamp,
    options: &LearnOptions,
) -> bool {
    let Some(row) = row else { return true };
    if row.expr != spec.expr || row.step_ms != spec.step.millis() {
        return true;
    }
    let since = |at: Timestamp| now.millis().saturating_sub(at.millis());
    match (row.status, row.fitted_at) {
        (SignalStatus::Ready, Some(at)) => {
            // A fit time in the future means that the system clock was set back.
            drifted || since(at) >= refit_interval_ms(spec, options) || since(at) < 0
        }
        _ => attempted.is_none_or(|at| since(at) >= options.retry_ms || since(at) < 0),
    }
}
