//! Implements the advisor contract for container requests with the stages of this folder.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{
    ContainerResource, ContainerSpec, RightsizingError,
    advise::{RequestFacts, decide, fetch},
    decide::MIN_CONFIDENCE,
    measure::measure,
    pictures::pictures,
    spec::{IDLE_SHARE, MOVED, REQUEST_COST},
    terms::RequestTerms,
};
use crate::{
    advise::{Advisor, Applied, FetchError, Metric, Outcome, Setting, Sources, kit::error_chain, picture::Picture},
    ledger::{Difference, Measured},
    store::rows::RecommendationRow,
};

/// Advises on the CPU and memory requests of a container.
#[derive(Debug)]
pub struct Rightsizing;

impl Advisor for Rightsizing {
    const KIND: &'static str = "rightsizing";
    const TITLE: &'static str = "Rightsizing";
    const TARGET: &'static str = "container";
    const EFFECTS: &'static [Metric] = &[IDLE_SHARE, REQUEST_COST];
    const CONFIDENCE_MIN: f64 = MIN_CONFIDENCE;
    type Spec = ContainerSpec;
    type Facts = RequestFacts;
    type Terms = RequestTerms;

    /// Returns one target for each resource with a usage expression.
    fn targets(spec: &ContainerSpec) -> Vec<String> {
        let used = ContainerResource::ALL.into_iter().filter(|&resource| spec.usage(resource).is_some());
        used.map(|resource| spec.target(resource)).collect()
    }

    fn fetch(
        from: &Sources<'_>,
        spec: &ContainerSpec,
        target: &str,
        now: Timestamp,
    ) -> Result<RequestFacts, FetchError> {
        fetch(from.store, spec, resource(spec, target)?, now).map_err(FetchError::other)
    }

    fn decide(spec: &ContainerSpec, target: &str, facts: &RequestFacts, now: Timestamp) -> Outcome<RequestTerms> {
        let resource = match resource(spec, target) {
            Ok(resource) => resource,
            Err(error) => return Outcome::Lacks { needs: vec![error.need()] },
        };
        match decide(spec, resource, facts, now) {
            Ok(proposal) => Outcome::Propose(Box::new(proposal)),
            Err(error) if error.is_keep() => Outcome::keep(error.to_string()),
            Err(error @ RightsizingError::TooShort { .. }) => {
                Outcome::lacks(error.to_string(), "wait, or send older samples of the usage")
            }
            Err(error) => Outcome::lacks(error_chain(&error), ""),
        }
    }

    /// Compares requests by their size: within `MOVED` they are the same, beyond it the need has moved. The promised
    /// idle share is similar at every size and does not distinguish them.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        if new.proposed == old.proposed {
            return Difference::None;
        }
        let request = |setting: &Setting<'_>| setting.proposed.get("request").and_then(Value::as_f64);
        match request(new).zip(request(old)) {
            Some((new, old)) if (new - old).abs() > MOVED * old => Difference::Moved,
            Some(_) => Difference::Negligible,
            None => Difference::Distinct,
        }
    }

    fn measure(
        from: &Sources<'_>,
        spec: Option<&ContainerSpec>,
        applied: &Applied<RequestTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        let spec = spec.ok_or(FetchError::NotConfigured)?;
        let request = applied.proposed.get("request").and_then(Value::as_f64);
        let request = request.ok_or_else(|| FetchError::unreadable("request"))?;
        let container = (spec, resource(spec, &applied.target)?);
        let promise = (request, applied.terms, applied.metric == REQUEST_COST.name);
        measure(from.store, container, promise, applied.at, now).map_err(FetchError::other)
    }

    fn pictures(
        from: &Sources<'_>,
        spec: Option<&ContainerSpec>,
        row: &RecommendationRow,
        now: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        let spec = spec.ok_or(FetchError::NotConfigured)?;
        pictures(from.store, (spec, resource(spec, &row.target)?), row, now)
    }
}

/// Returns the resource that a target names.
fn resource(spec: &ContainerSpec, target: &str) -> Result<ContainerResource, FetchError> {
    let named = ContainerResource::ALL.into_iter().find(|&resource| spec.target(resource) == target);
    named.ok_or_else(|| FetchError::unreadable("resource"))
}
