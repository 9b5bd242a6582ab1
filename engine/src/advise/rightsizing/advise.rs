//! Facts and proposal for one request of a container: reads usage and present request, decides, and composes the
//! proposal. Called by `advisor`.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    ContainerResource, ContainerSpec, RequestDecision, RequestFigures, RightsizingError, check_usage, decide_request,
    describe::describe, patch::requests_patch, remarks, rules::ms_to_f64, spec::IDLE_SHARE, terms::RequestTerms,
};
use crate::{
    advise::{
        Proposal, Rollback,
        kit::{DemandHistory, HistoryError, one_history, one_value, rfc3339},
    },
    store::{Store, rows::EventFilter},
};

/// Validity of a recommendation in days of the load, unless it is made again.
const VALID_DAYS: i64 = 7;

/// Input of a decision on one request.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// PromQL of the usage.
    expr: String,
    /// Usage, with timestamps in the load's own days.
    pub(super) usage: DemandHistory,
    /// Present request in cores or bytes, if known.
    current: Option<f64>,
    /// Deployment times of the container, epoch milliseconds.
    pub(super) deploys: Vec<i64>,
}

/// Reads the usage of one resource of a container up to `now`, and its present request.
///
/// # Errors
/// [`RightsizingError`] when there is no usage, or the usage ended.
pub(super) fn fetch(
    store: &Store,
    spec: &ContainerSpec,
    resource: ContainerResource,
    now: Timestamp,
) -> Result<RequestFacts, RightsizingError> {
    let expr = spec.usage(resource).ok_or(RightsizingError::NoUsage)?;
    let usage = one_history(store, expr, spec.step_ms, spec.history_ms, now)?
        .ok_or_else(|| RightsizingError::NoValues { expr: expr.to_owned() })?;
    let last_ms = usage.timestamps()[usage.len() - 1];
    let silent_ms = now.millis() - last_ms;
    // A short gap is tolerated; after it, the container is taken to be gone.
    if silent_ms > (spec.day_ms / 24).max(5 * spec.step_ms) {
        let hours = ms_to_f64(silent_ms) / 3.6e6;
        return Err(RightsizingError::Ended { expr: expr.to_owned(), hours });
    }
    let current = present(store, spec, resource, now)?;
    Ok(RequestFacts { expr: expr.to_owned(), usage, current, deploys: deployed(store, spec, now)? })
}

/// Decides on the request of one resource of a container, without I/O.
///
/// # Errors
/// [`RightsizingError`] when the history is too short, the usage has a wrong unit, or no change is worthwhile.
pub(super) fn decide(
    spec: &ContainerSpec,
    resource: ContainerResource,
    facts: &RequestFacts,
    now: Timestamp,
) -> Result<Proposal<RequestTerms>, RightsizingError> {
    let RequestFacts { expr, usage, current, deploys } = facts;
    let wrong = |source| RightsizingError::Expression { expr: expr.clone(), source: Box::new(source) };
    check_usage(usage, resource, *current).map_err(wrong)?;
    let mut notes = usage.left_out().notes();
    notes.extend(remarks(usage, resource, *current, deploys));
    // The rules use days of 24 hours; a sped-up load is rescaled to them.
    let deployed_ms = deploys.iter().max().map(|at_ms| spec.in_whole_days(*at_ms));
    let on_days = on_whole_days(spec, usage)?;
    let decision = decide_request(&on_days, *current, &spec.options(resource, deployed_ms))?;
    Ok(proposal(spec, expr, &decision, &notes, now))
}

/// Rescales usage to days of 24 hours, which the rules use. Missing values stay missing.
pub(super) fn on_whole_days(spec: &ContainerSpec, usage: &DemandHistory) -> Result<DemandHistory, HistoryError> {
    let timestamps = usage.timestamps().iter().map(|&at_ms| spec.in_whole_days(at_ms)).collect();
    let known = usage.values().iter().zip(usage.observed());
    let values = known.map(|(&used, &observed)| if observed { used } else { f64::NAN }).collect();
    DemandHistory::try_new(timestamps, values)
}

/// Reads the present request at `now`, or else the last one of the history.
fn present(
    store: &Store,
    spec: &ContainerSpec,
    resource: ContainerResource,
    now: Timestamp,
) -> Result<Option<f64>, RightsizingError> {
    let Some(expr) = spec.request(resource) else { return Ok(None) };
    let value = match one_value(store, expr, now)? {
        // Requests are reported rarely, and not while the reporter is down: the last one of the history is still in
        // effect.
        None => one_history(store, expr, spec.step_ms, spec.history_ms, now)?.and_then(|requests| requests.last()),
        value => value,
    };
    match value {
        Some(value) if !(value > 0.0 && value.is_finite()) => {
            Err(RightsizingError::Request { resource, expr: expr.to_owned(), value })
        }
        value => Ok(value),
    }
}

/// Returns the deployment times of the container, as reported by events.
fn deployed(store: &Store, spec: &ContainerSpec, now: Timestamp) -> Result<Vec<i64>, RightsizingError> {
    let service = spec.deployment.clone().unwrap_or_else(|| spec.name.clone());
    let filter = EventFilter { names: vec![service], end: Some(now), ..EventFilter::default() };
    let deploys = store.deploys(&filter)?;
    Ok(deploys.iter().map(|deploy| deploy.at.millis()).collect())
}

/// Composes the proposal of a decision, without I/O.
fn proposal(
    spec: &ContainerSpec,
    expr: &str,
    decision: &RequestDecision,
    remarks: &[String],
    now: Timestamp,
) -> Proposal<RequestTerms> {
    let RequestDecision { resource, current, request, .. } = *decision;
    let setting = |request: f64| json!({"request": request, "quantity": resource.quantity(request).1});
    let before = current.zip(decision.present_held.map(|held| held.idle_share));
    Proposal {
        current: current.map_or(Value::Null, setting),
        proposed: setting(request),
        valid_until: Some(Timestamp::from_millis(now.millis().saturating_add(VALID_DAYS * spec.day_ms))),
        metric: IDLE_SHARE,
        effect: decision.idle,
        confidence: decision.confidence,
        reason: describe(spec, decision, remarks),
        evidence: evidence(spec, expr, decision, remarks),
        terms: RequestTerms { above_cost: Some(decision.above_cost), above_share_max: Some(decision.above.upper) },
        rollback: before.map(|(current, baseline)| Rollback {
            baseline,
            patch: requests_patch(spec, resource, current),
            // The time above the present request was never promised, so a rollback has no such limit.
            terms: Some(RequestTerms { above_cost: Some(decision.above_cost), above_share_max: None }),
        }),
        patch: requests_patch(spec, resource, request),
    }
}

fn evidence(spec: &ContainerSpec, expr: &str, decision: &RequestDecision, remarks: &[String]) -> Value {
    let RequestDecision { above_cost, .. } = *decision;
    let figures = |figures: &RequestFigures| figures.report(above_cost);
    json!({
        "usage": expr,
        "step_seconds": ms_to_f64(spec.step_ms) / 1e3,
        "day_seconds": ms_to_f64(spec.day_ms) / 1e3,
        "steps": decision.steps,
        "scored_from": rfc3339(spec.in_own_days(decision.scored_from_ms)),
        "scored_until": rfc3339(spec.in_own_days(decision.at_ms)),
        "above_cost": above_cost,
        "above_share_max": decision.above.upper,
        "last_week": {
            "proposed": {"idle_share": decision.held.idle_share, "above_share": decision.held.above_share, "idle": decision.held.idle},
            "present": decision.present_held.map(|held| {
                json!({"idle_share": held.idle_share, "above_share": held.above_share, "idle": held.idle})
            }),
        },
        "cost": {"value": decision.cost.value, "lower": decision.cost.lower, "upper": decision.cost.upper, "present": decision.present_cost},
        "remarks": remarks,
        "expected": {"idle_share": decision.expected.slack, "above_share": decision.expected.above},
        "drift": decision.drift,
        "leader": decision.leader,
        "rules": {
            "leading": figures(&decision.leading),
            "covering": figures(&decision.covering),
            "vpa": figures(&decision.vpa),
            "krr": figures(&decision.krr),
            "present": decision.present.as_ref().map(figures),
        },
    })
}
