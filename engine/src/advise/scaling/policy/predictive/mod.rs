//! The predictive rule: a causal forecast of the demand that the pool must hold while replicas
//! start, the measured tail of its errors, and the price at which more replicas are no longer worth
//! having.

mod features;
mod forecaster;
mod least_squares;
mod price;
mod rule;
mod tail;

pub use rule::{Coverage, Predictive, PredictiveOptions};
