//! Backtests: forecasts from rolling origins against what came, and the measures of the forecasting literature.

mod measures;
mod rolling;

pub use measures::{coverage, mase, msis, pinball, smape};
pub use rolling::{Backtest, Scores};
