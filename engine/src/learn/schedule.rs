//! Which signals are due.

use almanac_models::Timestamp;

use super::{LearnOptions, SignalSpec};
use crate::store::rows::{SignalRow, SignalStatus};

/// Time between refits of a signal.
pub(super) fn refit_interval_ms(spec: &SignalSpec, options: &LearnOptions) -> i64 {
    options.refit_ms.unwrap_or_else(|| spec.step.millis().saturating_mul(360).clamp(600_000, 6 * 3_600_000))
}

/// Whether a signal is to be fitted now, given its row in the store and when it was last tried.
pub(super) fn is_due(
    spec: &SignalSpec,
    row: Option<&SignalRow>,
    tried: Option<Timestamp>,
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
            // A forecast made in the future is of another clock.
            drifted || since(at) >= refit_interval_ms(spec, options) || since(at) < 0
        }
        _ => tried.is_none_or(|at| since(at) >= options.retry_ms || since(at) < 0),
    }
}
