//! Composes the proposal of a chosen number of connections: promise, confidence, evidence, patch and rollback. Called
//! by `decide`.

use serde_json::{Map, Value, json};

use super::{Study, choose::Choice, describe::describe, timeouts};
use crate::{
    advise::{
        Metric, Proposal, Rollback,
        kit::{Interval, judge_mean, rfc3339},
        pool::{
            PoolTerms,
            model::Prediction,
            spec::{FULL_SHARE, IDLE_CONNECTIONS, WAIT_P95, seconds},
        },
    },
    store::rows::Patch,
};

/// Parts of the predicted share of time with all connections in use that the promise has at least and at most, and what a few
/// samples add.
const FULL_LEAST: f64 = 0.3;
const FULL_MOST: f64 = 1.5;
const FULL_NOISE: f64 = 0.01;
/// Largest number of sizes on the drawn curve.
const CURVE: u32 = 12;

/// Composes the proposal.
pub(super) fn proposal(study: &mut Study<'_>, choice: &Choice) -> Proposal<PoolTerms> {
    let (now, then) = (study.predict(study.facts.connections()).clone(), study.predict(choice.connections).clone());
    let is_larger = choice.connections > study.facts.connections();
    let timeout = timeouts::timeout(study, then.p999);
    let recycle = timeouts::recycle(study);
    let (metric, effect, baseline) = promise(study, choice, &then, is_larger);
    let reason = describe(study, choice, &now, &then, [timeout.as_ref(), recycle.as_ref()]);
    let current = setting(study.facts.size, study.facts.overflow, study.spec.timeout_ms.map(seconds), None);
    let limits = [timeout, recycle].map(|limit| limit.map(|limit| limit.seconds));
    let proposed = setting(choice.size, choice.overflow, limits[0], limits[1]);
    let wait_max = Some(study.spec.wait_max());
    let present = study.facts.connections();
    Proposal {
        patch: patch(study, choice.size, choice.overflow, limits),
        rollback: Some(Rollback {
            baseline,
            patch: patch(
                study,
                study.facts.size,
                study.facts.overflow,
                [limits[0].and(study.spec.timeout_ms.map(seconds)), None],
            ),
            // The waits before a larger pool were too long; only those of a smaller pool's predecessor are bounded.
            terms: Some(PoolTerms { connections: present, wait_max: wait_max.filter(|_| !is_larger) }),
        }),
        current,
        proposed,
        valid_until: None,
        metric,
        effect,
        confidence: confidence(study),
        reason,
        evidence: evidence(study, choice, &now, &then),
        terms: PoolTerms { connections: choice.connections, wait_max: wait_max.filter(|_| !choice.is_step) },
    }
}

/// Returns the promised metric with its interval, and its value at the present setting. Only what can be measured later is
/// promised.
fn promise(study: &Study<'_>, choice: &Choice, then: &Prediction, is_larger: bool) -> (Metric, Interval, f64) {
    if !is_larger {
        let idle = |connections: u32| study_idle(study, connections);
        return (IDLE_CONNECTIONS, idle(choice.connections), idle(study.facts.connections()).value);
    }
    if let Some(measured) = study.calibration.measured {
        return (WAIT_P95, then.all, measured.all.value);
    }
    // Arrivals find what is in use at any time (Poisson arrivals see time averages, Wolff 1982), busy times more often: the
    // share of time is smaller where the load varies.
    let connections = usize::try_from(then.connections).unwrap_or(usize::MAX);
    let value = then.tally.finds_in_use(connections);
    let effect = Interval { value, lower: value * FULL_LEAST, upper: (value * FULL_MOST + FULL_NOISE).min(1.0) };
    (FULL_SHARE, effect, full_share(study))
}

/// Returns the share of the steps in which all connections of an instance are in use.
fn full_share(study: &Study<'_>) -> f64 {
    let most = f64::from(study.facts.connections());
    let known: Vec<f64> = study.facts.in_use.iter().copied().filter(|used| used.is_finite()).collect();
    let full: Vec<f64> = known.iter().map(|used| f64::from(u8::from(*used > most - 0.5))).collect();
    almanac_models::stats::mean(&full).unwrap_or(0.0)
}

/// Returns the connections that all instances may open and would not have used, on average.
fn study_idle(study: &Study<'_>, connections: u32) -> Interval {
    let facts = study.facts;
    let idle: Vec<f64> = facts
        .in_use
        .iter()
        .zip(&facts.instances)
        .filter(|(used, _)| used.is_finite())
        .map(|(used, instances)| instances * (f64::from(connections) - used))
        .collect();
    let mean = almanac_models::stats::mean(&idle).unwrap_or(0.0);
    judge_mean(&idle).unwrap_or(Interval { value: mean, lower: mean, upper: mean })
}

/// Confidence in a proposal, in [0, 1]: less where something is assumed or short.
fn confidence(study: &Study<'_>) -> f64 {
    let steps = f64::from(u32::try_from(study.little.steps).unwrap_or(u32::MAX));
    let days = steps * seconds(study.spec.step_ms) / seconds(study.spec.day_ms);
    // A day has the usual busy times, a week all of them.
    let span = if days >= 6.5 {
        1.0
    } else if days >= 0.9 {
        0.9
    } else {
        0.7
    };
    let shape = if study.load.is_measured { 1.0 } else { 0.75 };
    let waits = if study.calibration.measured.is_some() { 1.0 } else { 0.9 };
    let law = if (0.8..=1.25).contains(&study.little.ratio()) { 1.0 } else { 0.85 };
    let batches = if study.calibration.batch < 3.0 { 1.0 } else { 0.9 };
    0.95 * span * shape * waits * law * batches
}

fn setting(size: u32, overflow: Option<u32>, timeout: Option<f64>, recycle: Option<f64>) -> Value {
    let mut setting = Map::new();
    setting.insert("size".to_owned(), json!(size));
    setting.insert("overflow".to_owned(), json!(overflow));
    setting.insert("connections".to_owned(), json!(size + overflow.unwrap_or(0)));
    for (name, value) in [("timeout_seconds", timeout), ("recycle_seconds", recycle)] {
        if let Some(value) = value {
            setting.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(setting)
}

/// Returns the setting for a machine, with the names of SQLAlchemy's pool.
fn patch(study: &Study<'_>, size: u32, overflow: Option<u32>, [timeout, recycle]: [Option<f64>; 2]) -> Patch {
    let mut body = Map::new();
    body.insert("pool".to_owned(), json!(study.spec.name));
    body.insert("pool_size".to_owned(), json!(size));
    if let Some(overflow) = overflow {
        body.insert("max_overflow".to_owned(), json!(overflow));
    }
    for (name, value) in [("pool_timeout", timeout), ("pool_recycle", recycle)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    Patch { format: "almanac/pool+json".to_owned(), body: Value::Object(body).to_string() }
}

fn evidence(study: &mut Study<'_>, choice: &Choice, now: &Prediction, then: &Prediction) -> Value {
    let curve: Vec<Value> = curve(study, choice)
        .into_iter()
        .map(|connections| {
            let busiest = study.predict(connections).busiest;
            json!({"connections": connections, "wait_p95": busiest.value, "lower": busiest.lower, "upper": busiest.upper})
        })
        .collect();
    let waits = |prediction: &Prediction| {
        json!({
            "wait_p95_busiest": prediction.busiest.value,
            "wait_p95": prediction.all.value,
            "wait_p999_busiest": prediction.p999,
            "wait_mean": prediction.tally.mean(),
            "gave_up_share": prediction.tally.gave_up / prediction.tally.arrivals.max(1.0),
        })
    };
    let facts = study.facts;
    let first = facts.timestamps.first().copied().unwrap_or(0);
    let last = facts.timestamps.last().copied().unwrap_or(0);
    json!({
        "from": rfc3339(first),
        "until": rfc3339(last),
        "step_seconds": seconds(study.spec.step_ms),
        "steps": study.little.steps,
        "checkouts_per_instance": study.little.arrivals,
        "in_use_mean": study.little.in_use,
        "arrivals_times_hold": study.little.load,
        "hold_mean": study.load.hold,
        "hold_variation": study.load.variation,
        "hold_shape": if study.load.is_measured { "measured" } else { "assumed log-normal" },
        "hold_rise_per_connection": study.load.rise,
        "batch_mean": study.calibration.batch,
        "wait_max": study.spec.wait_max(),
        "measured": study.calibration.measured.map(|measured| json!({
            "wait_mean": measured.mean,
            "wait_p95_busiest": measured.busiest.value,
            "wait_p95": measured.all.value,
        })),
        "present": waits(now),
        "proposed": waits(then),
        "instances": facts.instances.last(),
        "instances_foreseen": facts.foreseen.instances,
        "instances_source": facts.foreseen.source,
        "limit": facts.limit.as_ref().map(|limit| json!({"connections": limit.free, "source": limit.source})),
        "idle_in_transaction_share": facts.idle_in_transaction,
        "curve": curve,
    })
}

/// Returns the numbers of connections of the curve: the present and the proposed one, and those around them.
fn curve(study: &Study<'_>, choice: &Choice) -> Vec<u32> {
    let (low, high) =
        (choice.connections.min(study.facts.connections()), choice.connections.max(study.facts.connections()));
    let around = choice.connections.saturating_sub(3).max(1)..=choice.connections + 3;
    let every = (high - low).div_ceil(CURVE - 7).max(1);
    let between = (low..=high).step_by(usize::try_from(every).unwrap_or(1));
    let mut all: Vec<u32> = around.chain(between).chain([low, high]).collect();
    all.sort_unstable();
    all.dedup();
    all
}
