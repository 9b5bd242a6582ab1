//! Rules for the request of a container: the one that covers the usage to come, and those of its rivals.

mod cost;
mod covering;
mod histogram;
mod krr;
mod leading;
mod rule;
mod vpa;

pub(super) use covering::WORTH;
pub use covering::{Covering, CoveringOptions, Expected};
pub(super) use histogram::ms_to_f64;
pub use histogram::{DecayingHistogram, HistogramOptions};
pub use krr::Krr;
pub use leading::Leading;
pub use rule::{ContainerResource, RequestRule};
pub use vpa::{Vpa, VpaRange};
