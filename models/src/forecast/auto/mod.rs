//! The default forecaster: its options, one fit, and the fitted model.

mod fit;
mod fitted;
mod forecaster;

pub use fitted::FittedForecast;
pub use forecaster::AutoForecaster;
