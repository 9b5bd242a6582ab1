//! Pure numerics for service metrics: no function here reads or writes anything but its arguments.
//!
//! Slices in, values out: no clock, no files, no environment and no global random generator. Time is an argument,
//! randomness is `&mut impl Rng`. Everything can be tested without a database, and equal inputs give equal results on
//! any number of threads.

pub mod anomaly;
pub mod backtest;
pub mod changepoint;
pub mod correlation;
pub mod forecast;
pub mod incidents;
pub mod peers;
pub mod queue;
pub mod seasons;
pub mod stats;
pub mod ttl;
pub mod units;

pub use units::{Horizon, Level, Step, Timestamp, UnitError};
