//! Backtests: compares forecasts from rolling origins with the actual values, by the measures of the forecasting
//! literature.

mod measures;
mod rolling;

pub use measures::{coverage, mase, msis, pinball, smape};
pub use rolling::{Backtest, Scores};
