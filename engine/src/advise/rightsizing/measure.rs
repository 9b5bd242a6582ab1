//! Measures what an applied request has cost.

use almanac_models::Timestamp;

use super::{ContainerResource, ContainerSpec, RightsizingError, decide::HELD_DAYS, step_costs};
use crate::{
    advise::kit::{judge_mean, one_history},
    ledger::Measured,
    store::Store,
};

/// What the applied request has cost on the usage since `applied_at`, at the price that it was promised with, and with an
/// 80 % interval from how stretches of time differ; none before the days that the promise speaks of.
///
/// # Errors
/// [`RightsizingError`] when the usage cannot be read.
pub(super) fn measure(
    store: &Store,
    (spec, resource): (&ContainerSpec, ContainerResource),
    (request, above_cost): (f64, f64),
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, RightsizingError> {
    let since_ms = now.millis() - applied_at.millis();
    let expr = spec.usage(resource).ok_or(RightsizingError::NoUsage)?;
    if since_ms < HELD_DAYS * spec.day_ms {
        return Ok(None);
    }
    let history_ms = spec.history_ms.min(since_ms);
    let Some(usage) = one_history(store, expr, spec.step_ms, history_ms, now)? else { return Ok(None) };
    let known = usage.values().iter().zip(usage.observed()).filter(|(_, observed)| **observed);
    let known: Vec<f64> = known.map(|(&used, _)| used).collect();
    Ok(judge_mean(&step_costs(&known, request, above_cost)).map(|cost| Measured {
        value: cost.value,
        lower: cost.lower.max(0.0),
        upper: cost.upper,
        broken: None,
    }))
}
