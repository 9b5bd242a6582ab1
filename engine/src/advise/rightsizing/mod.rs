//! Rightsizing advice: CPU and memory requests of a container that cover the usage forecast until the next change. The
//! rules of Kubernetes' vertical pod autoscaler and of KRR are replayed on the same history for comparison.

mod advise;
mod advisor;
mod decide;
mod describe;
mod error;
mod held;
mod measure;
mod patch;
mod pictures;
mod replay;
mod rules;
mod shape;
mod spec;
mod terms;

#[cfg(test)]
mod tests;

pub use advise::RequestFacts;
pub use advisor::Rightsizing;
pub use decide::{RequestDecision, decide_request};
pub use error::RightsizingError;
pub use held::Held;
pub use replay::{RequestFigures, cost_of, replay_requests, score_requests, step_costs, trace_requests};
pub use rules::{
    ContainerResource, Covering, CoveringOptions, DecayingHistogram, Expected, HistogramOptions, Krr, Leading,
    RequestRule, Vpa, VpaRange,
};
pub use shape::{check_usage, remarks};
pub use spec::ContainerSpec;
pub use terms::RequestTerms;
