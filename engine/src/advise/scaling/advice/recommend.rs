//! The scaling recommendation: fetches the history, decides, and composes the row with its evidence.

use almanac_models::Timestamp;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use super::{
    Schedule, cron_scaled_object, describe::describe, horizontal_pod_autoscaler, keda_scaled_object,
    patch::reactive_autoscaler,
};
use crate::{
    advise::scaling::{
        CapacitySource, Decision, PolicyFigures, ResourceUse, Rule, ScalingError, WorkloadSpec, decide, fetch,
    },
    ledger::{BEFORE, WAY_BACK},
    store::{
        Store,
        rows::{Effect, Kind, RecommendationRow, State},
    },
};

/// The level of the interval of the effect.
const LEVEL: f64 = 0.8;

/// What is recommended for one workload at `now`: how many replicas now, a schedule for the horizon, and the proof.
///
/// # Errors
/// [`ScalingError`] when there is too little to decide on, or nothing to gain; it names what is missing.
pub fn advise(store: &Store, spec: &WorkloadSpec, now: Timestamp) -> Result<Vec<RecommendationRow>, ScalingError> {
    let history = fetch(store, spec, now)?;
    let decision = decide(&history, spec)?;
    let schedule = Schedule::plan(&decision.history, spec, &decision.rules);
    Ok(vec![recommendation(spec, &decision, schedule.as_ref(), now)])
}

/// Puts a decision into words, figures and patches; pure.
fn recommendation(
    spec: &WorkloadSpec,
    decision: &Decision,
    schedule: Result<&Schedule, &ScalingError>,
    now: Timestamp,
) -> RecommendationRow {
    let planned = schedule.ok();
    let until_ms = planned.map_or(decision.at_ms + spec.horizon_ms, |schedule| schedule.until_ms);
    let rule = rule_name(decision.rule);
    let proposed = json!({
        "rule": rule,
        "replicas": decision.replicas,
        "capacity_per_replica": decision.rules.capacity,
        "demand": decision.demand,
        "decided_at": rfc3339(decision.at_ms),
        "schedule_until": rfc3339(until_ms),
        "schedule": planned.map(schedule_rows).unwrap_or_default(),
    });
    RecommendationRow {
        id: format!("scaling-{}", spec.name),
        kind: Kind::Scaling,
        target: spec.name.clone(),
        current: json!({
            "rule": "reactive",
            "target_utilization": spec.target_utilization,
            "replicas": decision.current,
            "capacity_per_replica": decision.rules.capacity,
        }),
        proposed,
        valid_from: now,
        valid_until: Some(Timestamp::from_millis(until_ms)),
        effect: Effect {
            metric: "under_provisioned_share".to_owned(),
            unit: "1".to_owned(),
            value: decision.under_provisioned.value,
            lower: decision.under_provisioned.lower,
            upper: decision.under_provisioned.upper,
            level: LEVEL,
        },
        confidence: decision.confidence,
        reason: describe(spec, decision, schedule.err()),
        evidence: evidence(spec, decision, schedule),
        patch: keda_scaled_object(spec, decision, planned),
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        replaces: None,
    }
}

fn evidence(spec: &WorkloadSpec, decision: &Decision, schedule: Result<&Schedule, &ScalingError>) -> Value {
    let Decision { comparison, coverage, capacity, .. } = decision;
    let policies: Map<String, Value> = [
        ("predictive", &comparison.predictive),
        ("reactive", &comparison.reactive),
        ("same_cost", &comparison.same_cost),
        ("last_week", &comparison.last_week),
        ("static_peak", &comparison.static_peak),
        ("oracle", &comparison.oracle),
    ]
    .into_iter()
    .map(|(name, policy)| (name.to_owned(), figures(policy)))
    .collect();
    let mut patches = vec![horizontal_pod_autoscaler(spec)];
    patches.extend(schedule.ok().and_then(|schedule| cron_scaled_object(spec, schedule)));
    json!({
        BEFORE: comparison.reactive.under_provisioned_share,
        WAY_BACK: reactive_autoscaler(spec),
        "demand": spec.demand,
        "steps": comparison.steps,
        "step_seconds": seconds(spec.step_ms),
        "day_seconds": seconds(spec.day_ms),
        "startup_seconds": seconds(spec.startup_ms),
        "warmup_seconds": seconds(decision.warmup_ms),
        "stabilization_seconds": seconds(spec.scale_in_stabilization_ms),
        "scored_from": rfc3339(comparison.scored_from_ms),
        "scored_until": rfc3339(decision.at_ms),
        "policies": policies,
        "same_cost_target_utilization": comparison.same_cost_target,
        "coverage": {
            "promised": coverage.promised, "measured": coverage.measured, "windows": coverage.windows, "holds": coverage.holds,
        },
        "capacity": {
            "learned": capacity.source != CapacitySource::Stated, "source": capacity.source.as_str(), "value": capacity.value, "lower": capacity.lower,
            "upper": finite(capacity.upper), "explained": capacity.explained,
        },
        "floor": {"demand": decision.demand, "replicas": decision.floor},
        "resources": decision.resources.iter().map(resource_use).collect::<Vec<_>>(),
        "schedule": match schedule {
            Ok(schedule) => json!({
                "quantile": schedule.quantile, "model": schedule.model, "coverage": schedule.coverage,
            }),
            Err(error) => json!({"missing": error.to_string()}),
        },
        "patches": patches,
        "remarks": decision.history.left_out().notes(),
    })
}

/// How often a resource asked for the most replicas, and how many it asks for now.
fn resource_use(resource: &ResourceUse) -> Value {
    json!({
        "name": resource.name,
        "capacity_per_replica": resource.capacity,
        "steps_known": resource.known,
        "steps_largest": resource.largest,
        "replicas_now": resource.now,
    })
}

fn figures(figures: &PolicyFigures) -> Value {
    json!({
        "under_provisioned_share": figures.under_provisioned_share,
        "under_provisioned_minutes": figures.under_provisioned_minutes,
        "unserved_share": figures.unserved_share,
        "replica_hours": figures.replica_hours,
        "replica_hours_over_oracle": figures.replica_hours_over_oracle,
        "scale_changes_per_day": figures.scale_changes_per_day,
    })
}

fn schedule_rows(schedule: &Schedule) -> Vec<Value> {
    schedule.slots.iter().map(|slot| json!({"from": rfc3339(slot.from_ms), "replicas": slot.replicas})).collect()
}

fn rule_name(rule: Rule) -> &'static str {
    match rule {
        Rule::Predictive => "predictive",
        Rule::Reactive => "reactive",
    }
}

/// JSON has no infinity.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

pub(in crate::advise) fn rfc3339(timestamp_ms: i64) -> String {
    DateTime::from_timestamp_millis(timestamp_ms)
        .map_or_else(|| timestamp_ms.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
