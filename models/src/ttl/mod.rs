//! Time-to-live mathematics: what a cache's hit ratio, stale share and residency become at another
//! time-to-live.
//!
//! Three grounds, from the most to the least that is known: the accesses of each key ([`replay`],
//! exact, and [`RatioEstimate`], its uncertainty), the rates of each key ([`PoissonKey`]), and
//! nothing but counters of hits and misses ([`hit_ratio_bounds`], bounds only). Beside a fixed time-to-live
//! stands one by the hour of the day ([`HourlyTtl`]), refreshing early ([`replay_refresh`]), and a limit on
//! the number of keys ([`StackDistances`]).

mod counters;
mod estimate;
mod hours;
mod lifetime;
mod poisson;
mod refresh;
mod replay;
mod stack;
mod staleness;

pub use counters::hit_ratio_bounds;
pub use estimate::{Bounds, RatioEstimate};
pub use hours::{DayCourse, HOURS, HourlyTtl, LivesByHour, hour_of_day};
pub use lifetime::Lifetime;
pub use poisson::PoissonKey;
pub use refresh::{RefreshEarly, RefreshTally, replay_refresh};
pub use replay::{Access, KeyEvent, LifeMoments, OnWrite, Tally, Window, replay, replay_blocks};
pub use stack::StackDistances;
pub use staleness::{WriteRates, expected_stale_hits};
