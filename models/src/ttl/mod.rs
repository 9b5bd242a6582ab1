//! Time-to-live mathematics: a cache's hit ratio, stale share and residency at another time-to-live.
//!
//! There are three methods, from most to least data: the accesses of each key ([`replay`], exact, with
//! [`RatioEstimate`] for its uncertainty), the rates of each key ([`PoissonKey`]), and only counters of hits
//! and misses ([`hit_ratio_bounds`], bounds). Variants are a time-to-live by hour of the day ([`HourlyTtl`]),
//! early refresh ([`replay_refresh`]), and a limit on the number of keys ([`StackDistances`]).

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
