use almanac_models::Timestamp;
use serde_json::Value;

use super::{ContainerResource, ContainerSpec, RightsizingError, decide::HELD_DAYS, step_costs};
use crate::{
    advise::scaling::{judge_mean, one_history},
    ledger::{ABOVE_COST, Measured},
    store::{Store, rows::RecommendationRow},
};

/// What the applied request of `row` has cost on the usage since `applied_at`, at the price that it was promised with, and with an
/// 80 % interval from how stretches of time differ; none before the days that the promise speaks of.
///
/// # Errors
/// [`RightsizingError`] when the usage cannot be read.
pub fn measure(
    store: &Store,
    spec: &ContainerSpec,
    resource: ContainerResource,
    row: &RecommendationRow,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, RightsizingError> {
    let request = row.proposed.get("request").and_then(Value::as_f64);
    let above_cost = row.evidence.get(ABOVE_COST).and_then(Value::as_f64);
    let since_ms = now.millis() - applied_at.millis();
    let (Some(expr), Some(request), Some(above_cost), true) =
        (spec.usage(resource), request, above_cost, since_ms >= HELD_DAYS * spec.day_ms)
    else {
        return Ok(None);
    };
    let history_ms = spec.history_ms.min(since_ms);
    let Some(usage) = one_history(store, expr, spec.step_ms, history_ms, now)? else { return Ok(None) };
    let known = usage.values().iter().zip(usage.observed()).filter(|(_, observed)| **observed);
    let known: Vec<f64> = known.map(|(&used, _)| used).collect();
    Ok(judge_mean(&step_costs(&known, request, above_cost)).map(|cost| Measured {
        value: cost.value,
        lower: cost.lower.max(0.0),
        upper: cost.upper,
        higher_is_better: false,
        broken: None,
    }))
}
