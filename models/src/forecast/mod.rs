//! Forecasts of one evenly spaced series: base models, their combination, and intervals calibrated
//! by what each horizon really missed. A model is one type, the fitted model another.

mod auto;
mod calibrate;
mod combine;
mod ensemble;
mod error;
mod naive;
mod online;
mod prepare;
mod profile;
mod regression;
mod rolling;
mod tracker;
mod types;

pub use auto::{AutoForecaster, FittedForecast};
pub use error::ForecastError;
pub use online::{OnlineForecaster, OnlineOptions};
pub use types::{Accuracy, Forecast, Interval};

pub(crate) use prepare::fill_gaps;
pub(crate) use profile::{FittedProfile, SeasonalProfile};
