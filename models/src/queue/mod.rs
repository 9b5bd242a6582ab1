//! Waiting in a pool of equal servers, such as the connections of a pool: hold times from histograms, a simulation of
//! the queue over recorded arrivals, and Erlang's formula for exponential holds.

mod arrivals;
mod erlang;
mod error;
mod holds;
mod simulate;
mod tally;

pub use arrivals::{LoadStep, batch_of_peakedness, rates_without_noise};
pub use erlang::ErlangC;
pub use error::QueueError;
pub use holds::{HoldBucket, HoldTimes};
pub use simulate::{QueueOptions, simulate};
pub use tally::WaitTally;
