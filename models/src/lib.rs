//! Pure numerics for the metrics of running services.
//!
//! Slices in, values out: no clock, no files, no environment and no global random generator. Time
//! arrives as an argument, randomness as `&mut impl Rng`. Everything here can be tested without a
//! database and gives the same answer for the same input on any number of threads.

pub mod anomaly;
pub mod backtest;
pub mod changepoint;
pub mod correlation;
pub mod forecast;
pub mod incidents;
pub mod peers;
pub mod seasons;
pub mod stats;
pub mod ttl;
pub mod units;

pub use units::{Horizon, Level, Step, Timestamp, UnitError};
