//! Forecasts of one evenly spaced series: base models, their combination, and intervals calibrated by the measured
//! errors at each lead. A model ([`Fit`]) and its fitted form ([`Predict`]) are separate types.

mod auto;
mod base;
mod calendar;
mod combine;
mod counts;
mod error;
mod model;
mod online;
mod prepare;
mod recurring;
mod types;

pub use auto::{AutoForecaster, FittedForecast};
pub use base::{Ets, FittedEts, FittedHoltWinters, FittedMstl, FittedSeasonalNaive, HoltWinters, Mstl, SeasonalNaive};
pub use error::ForecastError;
pub use model::{Fit, Predict};
pub use online::{OnlineForecaster, OnlineOptions};
pub use types::{Accuracy, Forecast, Interval};

pub(crate) use prepare::naive_scale;
