//! Forecasts of one evenly spaced series: base models, their combination, and intervals calibrated
//! by what each horizon really missed. A model is one type, the fitted model another.

mod auto;
mod base;
mod calendar;
mod combine;
mod error;
mod fit;
mod fitted;
mod online;
mod prepare;
mod support;
mod types;

pub use auto::AutoForecaster;
pub use base::{Ets, FittedEts, FittedHoltWinters, FittedMstl, HoltWinters, Mstl};
pub use error::ForecastError;
pub use fitted::FittedForecast;
pub use online::{OnlineForecaster, OnlineOptions};
pub use types::{Accuracy, Forecast, Interval};

pub(crate) use base::naive_scale;
