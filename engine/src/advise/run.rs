use std::error::Error;

use almanac_models::Timestamp;

use super::{
    AdviceSpecs, AdviseError,
    rightsizing::{self, ContainerResource, ContainerSpec},
    scaling, threshold, ttl,
};
use crate::{
    ledger::Measured,
    store::{
        Store,
        rows::{Kind, RecommendationRow},
    },
};

/// What the advisors say, and on what they say nothing.
#[derive(Debug, Default)]
pub struct Advice {
    /// The recommendations, all in the state proposed.
    pub recommendations: Vec<RecommendationRow>,
    /// The targets that got no advice.
    pub refusals: Vec<Refusal>,
}

/// A target without advice, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The advisor.
    pub kind: Kind,
    /// The workload, container's resource, cache or alert.
    pub target: String,
    /// What is missing, the chain of causes included.
    pub reason: String,
}

/// Asks every advisor; a target that cannot be advised on stops none of the others.
#[must_use]
pub fn consider(store: &Store, specs: &AdviceSpecs, now: Timestamp) -> Advice {
    let mut advice = Advice::default();
    for workload in &specs.workloads {
        advice.take(Kind::Scaling, &workload.name, scaling::advise(store, workload, now));
    }
    for container in &specs.containers {
        for resource in ContainerResource::ALL.into_iter().filter(|&resource| container.usage(resource).is_some()) {
            let advised = rightsizing::advise(store, container, resource, now);
            advice.take(Kind::Rightsizing, &container.target(resource), advised);
        }
    }
    for cache in &specs.caches {
        advice.take(Kind::Ttl, &cache.name, ttl::advise(store, cache, now));
    }
    for (rule, name) in specs.rules.iter().zip(threshold::rule_names(&specs.rules)) {
        advice.take(Kind::Threshold, &name, threshold::advise(store, rule, &name, specs.moving_bounds, now));
    }
    advice
}

/// What an applied recommendation did since `applied_at`, where that can be measured and the data suffice.
///
/// # Errors
/// [`AdviseError::Measure`] when its signals or events cannot be read.
pub fn measure(
    store: &Store,
    specs: &AdviceSpecs,
    row: &RecommendationRow,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, AdviseError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| AdviseError::Measure { id: row.id.clone(), source };
    match row.kind {
        Kind::Scaling => match specs.workloads.iter().find(|workload| workload.name == row.target) {
            Some(spec) => scaling::measure(store, spec, row, applied_at, now).map_err(|error| failed(Box::new(error))),
            None => Ok(None),
        },
        Kind::Rightsizing => match container(specs, &row.target) {
            Some((spec, resource)) => rightsizing::measure(store, spec, resource, row, applied_at, now)
                .map_err(|error| failed(Box::new(error))),
            None => Ok(None),
        },
        Kind::Ttl => match specs.caches.iter().find(|cache| cache.name == row.target) {
            Some(spec) => ttl::measure(store, spec, row, applied_at, now).map_err(|error| failed(Box::new(error))),
            None => Ok(None),
        },
        Kind::Threshold => threshold::measure(store, row, applied_at, now).map_err(|error| failed(Box::new(error))),
    }
}

/// The container and the resource under whose name a recommendation stands.
fn container<'a>(specs: &'a AdviceSpecs, target: &str) -> Option<(&'a ContainerSpec, ContainerResource)> {
    let both = |container| ContainerResource::ALL.map(|resource| (container, resource));
    specs.containers.iter().flat_map(both).find(|(container, resource)| container.target(*resource) == target)
}

/// As [`consider`], with the refusals in the log.
///
/// # Errors
/// [`AdviseError::Nothing`] when there are targets and every one was refused.
pub fn advise(store: &Store, specs: &AdviceSpecs, now: Timestamp) -> Result<Vec<RecommendationRow>, AdviseError> {
    let Advice { recommendations, refusals } = consider(store, specs, now);
    for refusal in &refusals {
        tracing::warn!(kind = %refusal.kind, target = %refusal.target, reason = %refusal.reason, "no advice");
    }
    let others = refusals.len().saturating_sub(1);
    match refusals.into_iter().next_back() {
        Some(Refusal { kind, target, reason }) if recommendations.is_empty() => {
            Err(AdviseError::Nothing { kind, target, reason, others })
        }
        _ => Ok(recommendations),
    }
}

impl Advice {
    fn take<E: Error>(&mut self, kind: Kind, target: &str, said: Result<Vec<RecommendationRow>, E>) {
        match said {
            Ok(rows) => self.recommendations.extend(rows),
            Err(error) => {
                self.refusals.push(Refusal { kind, target: target.to_owned(), reason: chain(&error) });
            }
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
