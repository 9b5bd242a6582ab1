//! Facts and proposal of a container's request: reads usage and present request, decides, and composes the proposal.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    ContainerResource, ContainerSpec, RequestDecision, RequestFigures, RightsizingError, decide_request,
    patch::requests_patch, rules::ms_to_f64, spec::REQUEST_COST, terms::RequestTerms,
};
use crate::{
    advise::{
        Proposal, Rollback,
        kit::{DemandHistory, one_history, one_value, rfc3339},
    },
    store::{Store, rows::EventFilter},
};

/// Days that a recommendation stands unless it is made again.
const VALID_DAYS: i64 = 7;

/// What a decision on one request rests on.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// The expression of the usage.
    pub(super) expr: String,
    /// The usage, on days of 24 hours.
    pub(super) usage: DemandHistory,
    /// The present request, where it is known.
    pub(super) current: Option<f64>,
    /// When the present version was deployed, on the same days.
    pub(super) deployed_ms: Option<i64>,
}

/// Reads the usage of one resource of a container up to `now`, and its present request.
///
/// # Errors
/// [`RightsizingError`] when there is no usage, or it ended.
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
    if silent_ms > (spec.day_ms / 24).max(5 * spec.step_ms) {
        let hours = ms_to_f64(silent_ms) / 3.6e6;
        return Err(RightsizingError::Ended { expr: expr.to_owned(), hours });
    }
    let current = present(store, spec, resource, now)?;
    let deployed_ms = deployed(store, spec, now)?.map(|at_ms| spec.in_whole_days(at_ms));
    let timestamps = usage.timestamps().iter().map(|&at_ms| spec.in_whole_days(at_ms)).collect();
    let known = usage.values().iter().zip(usage.observed());
    let values = known.map(|(&used, &observed)| if observed { used } else { f64::NAN }).collect();
    let usage = DemandHistory::try_new(timestamps, values)?;
    Ok(RequestFacts { expr: expr.to_owned(), usage, current, deployed_ms })
}

/// What is recommended for the request of one resource of a container; pure.
///
/// # Errors
/// [`RightsizingError`] when there is too little to decide on, or nothing to gain; it names what is missing.
pub(super) fn decide(
    spec: &ContainerSpec,
    resource: ContainerResource,
    facts: &RequestFacts,
    now: Timestamp,
) -> Result<Proposal<RequestTerms>, RightsizingError> {
    let decision = decide_request(&facts.usage, facts.current, &spec.options(resource, facts.deployed_ms))?;
    Ok(proposal(spec, &facts.expr, &decision, now))
}

fn present(
    store: &Store,
    spec: &ContainerSpec,
    resource: ContainerResource,
    now: Timestamp,
) -> Result<Option<f64>, RightsizingError> {
    let Some(expr) = spec.request(resource) else { return Ok(None) };
    match one_value(store, expr, now)? {
        Some(value) if !(value > 0.0 && value.is_finite()) => {
            Err(RightsizingError::Request { resource, expr: expr.to_owned(), value })
        }
        value => Ok(value),
    }
}

/// When the container's present version went out, where somebody reported it.
fn deployed(store: &Store, spec: &ContainerSpec, now: Timestamp) -> Result<Option<i64>, RightsizingError> {
    let service = spec.deployment.clone().unwrap_or_else(|| spec.name.clone());
    let filter = EventFilter { names: vec![service], end: Some(now), ..EventFilter::default() };
    let deploys = store.deploys(&filter)?;
    Ok(deploys.iter().map(|deploy| deploy.at.millis()).max())
}

/// Puts a decision into words, figures and patches; pure.
fn proposal(spec: &ContainerSpec, expr: &str, decision: &RequestDecision, now: Timestamp) -> Proposal<RequestTerms> {
    let RequestDecision { resource, current, request, .. } = *decision;
    let setting = |request: f64| json!({"request": request, "quantity": resource.quantity(request).1});
    let before =
        |(current, baseline)| Rollback { baseline, patch: requests_patch(spec, resource, current), terms: None };
    Proposal {
        current: current.map_or(Value::Null, setting),
        proposed: setting(request),
        valid_until: Some(Timestamp::from_millis(now.millis().saturating_add(VALID_DAYS * spec.day_ms))),
        metric: REQUEST_COST,
        effect: decision.cost,
        confidence: decision.confidence,
        reason: reason(spec, decision),
        evidence: evidence(spec, expr, decision),
        terms: RequestTerms { above_cost: decision.above_cost },
        rollback: current.zip(decision.present_cost).map(before),
        patch: requests_patch(spec, resource, request),
    }
}

fn reason(spec: &ContainerSpec, decision: &RequestDecision) -> String {
    let RequestDecision { resource, current, request, leader, leading, present, vpa, .. } = decision;
    let of = |figures: &RequestFigures| {
        format!("{:.0} % idle, usage above it {:.2} % of the time", 100.0 * figures.slack, 100.0 * figures.above)
    };
    let quantity = resource.quantity(*request).1;
    let wants = match current {
        Some(current) => {
            format!(
                "{} needs a {resource} request of {quantity} instead of {}",
                spec.name,
                resource.quantity(*current).1
            )
        }
        None => format!("{} needs a {resource} request of {quantity}", spec.name),
    };
    let beside = match present {
        Some(present) => format!("the present request: {}", of(present)),
        None => format!("the vertical pod autoscaler's: {}", of(vpa)),
    };
    format!("{wants}, by the rule {leader}; over its own history requests would have had {}; {beside}.", of(leading))
}

fn evidence(spec: &ContainerSpec, expr: &str, decision: &RequestDecision) -> Value {
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
