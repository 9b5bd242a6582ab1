//! Facts of a pool: what its metrics show over the history, and what bounds its connections.

mod check;
mod fetch;
mod histogram;
mod limit;

pub(super) use check::{Little, check};
pub(super) use fetch::fetch;
pub use fetch::{Holds, PoolFacts};
pub use histogram::{HistogramSeries, Observed};
pub(super) use histogram::{histogram_selector, read_histogram};
pub use limit::{ConnectionLimit, Foreseen};
