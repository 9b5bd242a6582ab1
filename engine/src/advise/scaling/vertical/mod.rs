//! Requests of a container: CPU and memory that cover the usage forecast until the next change, beside the rules of
//! Kubernetes' vertical pod autoscaler and of KRR, on the container's own history.

mod cost;
mod covering;
mod histogram;
mod krr;
mod replay;
mod rule;
mod vpa;

#[cfg(test)]
mod tests;

pub use covering::{Covering, CoveringOptions, Expected};
pub use histogram::{DecayingHistogram, HistogramOptions};
pub use krr::Krr;
pub use replay::{RequestFigures, replay_requests};
pub use rule::{ContainerResource, RequestRule};
pub use vpa::{Vpa, VpaRange};
