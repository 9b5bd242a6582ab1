//! Forecasts of one evenly spaced series: base models, their combination, and intervals calibrated
//! by what each horizon really missed. A model is one type, the fitted model another.

mod auto;
mod error;
mod online;
mod types;

pub use auto::{AutoForecaster, FittedForecast};
pub use error::ForecastError;
pub use online::{OnlineForecaster, OnlineOptions};
pub use types::{Accuracy, Forecast, Interval};
