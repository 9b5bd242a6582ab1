//! The replica count of this minute, for `/v1/scaling/{workload}`: the last decision, but at least what the present
//! demand needs.

use almanac_models::Timestamp;
use chrono::DateTime;
use serde_json::Value;

use crate::{
    advise::{
        kit::{HistoryError, one_value},
        scaling::{PoolRules, ScalingError, WorkloadSpec, demand::in_workload_units},
    },
    store::{
        Store,
        rows::{RecommendationRow, State},
    },
};

/// Maximum age of a usable decision in steps: half an hour of one-minute steps.
const MAX_AGE_STEPS: i64 = 30;

/// Replica count for an autoscaler.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentReplicas {
    /// Number of replicas to run.
    pub replicas: u32,
    /// Number that the forecast or the reactive rule decided.
    pub decided: u32,
    /// Number that the present demand needs; `replicas` is never below it.
    pub floor: u32,
    /// Present demand.
    pub demand: f64,
    /// Time of the decision.
    pub decided_at: Timestamp,
    /// End of the validity of this number.
    pub valid_until: Timestamp,
}

/// Returns the replicas of `row` at `now`, at least as many as the present demand needs.
///
/// # Errors
/// [`ScalingError::NotInForce`] when the recommendation was dismissed, regressed, expired or is too old; the signal's
/// errors when demand cannot be read. The caller must report a failure to the autoscaler, never a guessed number.
pub fn current_replicas(
    store: &Store,
    spec: &WorkloadSpec,
    row: &RecommendationRow,
    now: Timestamp,
) -> Result<CurrentReplicas, ScalingError> {
    let not_in_force = |reason: String| ScalingError::NotInForce { reason };
    if matches!(row.state, State::Dismissed | State::Regressed | State::Expired) {
        return Err(not_in_force(format!("recommendation {:?} is {}", row.id, row.state)));
    }
    let field = |name: &str| row.proposed.get(name);
    let unreadable = |name: &str| not_in_force(format!("recommendation {:?} has no usable {name}", row.id));
    let decided = field("replicas").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let decided = decided.ok_or_else(|| unreadable("replicas"))?;
    let capacity =
        field("capacity_per_replica").and_then(Value::as_f64).ok_or_else(|| unreadable("capacity_per_replica"))?;
    let decided_at = field("decided_at").and_then(Value::as_str).and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    let decided_at = decided_at.ok_or_else(|| unreadable("decided_at"))?.timestamp_millis();
    let valid_until = decided_at + MAX_AGE_STEPS * spec.step_ms;
    if now.millis() > valid_until {
        let age = (now.millis() - decided_at) / 1_000;
        return Err(not_in_force(format!(
            "the last decision is {age} s old, at most {MAX_AGE_STEPS} steps are allowed"
        )));
    }
    let rules: PoolRules = spec.pool_rules(capacity);
    rules.check()?;
    let demand = largest_demand_now(store, spec, capacity, now)?;
    let floor = rules.needed_with_headroom(demand);
    Ok(CurrentReplicas {
        replicas: decided.max(floor).clamp(rules.replicas_min, rules.replicas_max),
        decided,
        floor,
        demand,
        decided_at: Timestamp::from_millis(decided_at),
        valid_until: Timestamp::from_millis(valid_until),
    })
}

/// Returns the largest demand over the resources, in units of the workload's demand. A resource without a value is
/// skipped; no value at all is an error.
fn largest_demand_now(store: &Store, spec: &WorkloadSpec, capacity: f64, now: Timestamp) -> Result<f64, ScalingError> {
    let mut largest = demand_now(store, &spec.demand, now)?;
    for resource in &spec.resources {
        let demand = demand_now(store, &resource.demand, now)?;
        let demand = demand.map(|demand| in_workload_units(demand, resource.capacity_per_replica, capacity));
        largest = largest.into_iter().chain(demand).reduce(f64::max);
    }
    largest.ok_or_else(|| HistoryError::NotOneSeries { expr: spec.demand.clone(), series: 0 }.into())
}

/// Returns the demand at `now`. None when the expression returns nothing.
fn demand_now(store: &Store, expr: &str, now: Timestamp) -> Result<Option<f64>, ScalingError> {
    match one_value(store, expr, now)? {
        Some(value) if !(value >= 0.0 && value.is_finite()) => {
            Err(ScalingError::Demand { value, timestamp_ms: now.millis() })
        }
        value => Ok(value),
    }
}
