//! Correlation between two aligned series over a range of lags, with an interval that allows for autocorrelation.

mod lagged;

pub use lagged::{LaggedCorrelation, lagged_correlation};
