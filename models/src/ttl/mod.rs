//! Time-to-live mathematics: what a cache's hit ratio, stale share and residency become at another
//! time-to-live.
//!
//! Three grounds, from the most to the least that is known: the accesses of each key ([`replay`],
//! exact, and [`RatioEstimate`], its uncertainty), the rates of each key ([`PoissonKey`]), and
//! nothing but counters of hits and misses ([`hit_ratio_bounds`], bounds only).

mod counters;
mod estimate;
mod poisson;
mod replay;
mod staleness;

pub use counters::hit_ratio_bounds;
pub use estimate::{Bounds, RatioEstimate};
pub use poisson::PoissonKey;
pub use replay::{Access, KeyEvent, LifeMoments, OnWrite, Tally, Window, replay, replay_blocks};
pub use staleness::{WriteRates, expected_stale_hits};
