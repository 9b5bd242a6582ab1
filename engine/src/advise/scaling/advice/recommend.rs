//! Composes the proposal of a scaling decision: settings, effect, sentence, evidence and patches. Called by `advisor`.

use almanac_models::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Schedule, cron_scaled_object, describe::describe, horizontal_pod_autoscaler, keda_scaled_object,
    patch::reactive_autoscaler,
};
use crate::advise::{
    Proposal, Rollback,
    kit::rfc3339,
    scaling::{
        CapacitySource, Decision, PolicyFigures, ResourceUse, Rule, ScalingError, WorkloadSpec,
        spec::UNDER_PROVISIONED, terms::ScalingTerms,
    },
};

/// Composes the proposal of a decision, without I/O.
pub(in crate::advise::scaling) fn proposal(
    spec: &WorkloadSpec,
    decision: &Decision,
    schedule: Result<&Schedule, &ScalingError>,
) -> Proposal<ScalingTerms> {
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
    Proposal {
        current: json!({
            "rule": "reactive",
            "target_utilization": spec.target_utilization,
            "replicas": decision.current,
            "capacity_per_replica": decision.rules.capacity,
        }),
        proposed,
        valid_until: Some(Timestamp::from_millis(until_ms)),
        metric: UNDER_PROVISIONED,
        effect: decision.under_provisioned,
        confidence: decision.confidence,
        reason: describe(spec, decision, schedule.err()),
        evidence: evidence(spec, decision, schedule),
        terms: ScalingTerms { capacity_per_replica: Some(decision.rules.capacity) },
        rollback: Some(Rollback {
            baseline: decision.comparison.reactive.under_provisioned_share,
            patch: reactive_autoscaler(spec),
            terms: None,
        }),
        patch: keda_scaled_object(spec, decision, planned),
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

/// Returns how often a resource needed the most replicas, and how many it needs now.
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

/// Returns none for an infinite value, which JSON cannot represent.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}
