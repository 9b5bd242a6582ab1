//! Rules for the request of a container: `leading` recommends; `covering`, `vpa` and `krr` are the rules that it
//! follows.

mod cost;
mod covering;
mod histogram;
mod krr;
mod leading;
mod rule;
mod vpa;

pub(super) use covering::MIN_SAVING;
pub use covering::{Covering, CoveringOptions, Expected};
pub(super) use histogram::ms_to_f64;
pub use histogram::{DecayingHistogram, HistogramOptions};
pub use krr::Krr;
pub use leading::Leading;
pub use rule::{ContainerResource, RequestRule};
pub use vpa::{Vpa, VpaRange};
