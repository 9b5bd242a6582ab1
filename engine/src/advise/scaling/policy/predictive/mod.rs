//! The predictive rule: `forecaster` predicts the demand that the pool must serve while replicas start, `tail` measures
//! the distribution of its errors, `price` selects the number of replicas that is worth its cost, and `rule` combines
//! them.

mod features;
mod forecaster;
mod least_squares;
mod price;
mod rule;
mod tail;

pub use rule::{Coverage, Predictive, PredictiveOptions};
