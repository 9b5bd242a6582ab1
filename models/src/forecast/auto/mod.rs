//! The default forecaster: what it is told, one fit of it, and what was fitted.

mod fit;
mod fitted;
mod forecaster;

pub use fitted::FittedForecast;
pub use forecaster::AutoForecaster;
