//! Measures the effect of an applied scaling rule. Called by `advisor` for the ledger.

use almanac_models::Timestamp;

use crate::{
    advise::{
        kit::judge_mean,
        scaling::{ScalingError, WorkloadSpec, fetch, largest_demand},
    },
    ledger::Measured,
    store::Store,
};

/// Measures the share of time since `applied_at` in which demand exceeded the ready replicas, with an 80 % interval
/// from the variance between blocks of time. None before a day has passed, or when the replicas are unknown.
///
/// # Errors
/// Those of [`fetch`] and [`largest_demand`].
pub(in crate::advise::scaling) fn measure(
    store: &Store,
    spec: &WorkloadSpec,
    capacity: f64,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, ScalingError> {
    if now.millis() - applied_at.millis() < spec.day_ms {
        return Ok(None);
    }
    let since = WorkloadSpec { history_ms: spec.history_ms.min(now.millis() - applied_at.millis()), ..spec.clone() };
    let history = fetch(store, &since, now)?;
    let Some(replicas) = &history.replicas else { return Ok(None) };
    let (demand, _) = largest_demand(&history, spec, capacity)?;
    let demand = demand.values().iter().zip(demand.observed());
    let short: Vec<f64> = demand
        .zip(replicas)
        .filter(|((_, observed), replicas)| **observed && replicas.is_finite())
        .map(|((demand, _), replicas)| f64::from(u8::from(*demand > replicas * capacity)))
        .collect();
    Ok(judge_mean(&short).map(|share| Measured {
        value: share.value,
        lower: share.lower.max(0.0),
        upper: share.upper.min(1.0),
        broken: None,
    }))
}
