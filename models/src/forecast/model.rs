//! What every forecasting model carries: [`Fit`] learns from a series, [`Predict`] forecasts what comes after it.

use super::{Forecast, ForecastError};
use crate::{Horizon, Level};

/// A model that learns from one evenly spaced series.
///
/// ```
/// use almanac_models::{Horizon, forecast::{Ets, Fit, HoltWinters, Mstl, Predict, SeasonalNaive}};
/// fn next<M: Fit>(model: &M, y: &[f64]) -> f64 {
///     let horizon = Horizon::try_new(1).unwrap();
///     model.fit(y).and_then(|fitted| fitted.predict(horizon, &[])).unwrap().point[0]
/// }
/// let y: Vec<f64> = (0..96).map(|t| f64::from(t % 12)).collect();
/// let forecasts = [next(&SeasonalNaive::new(12), &y), next(&HoltWinters::new(vec![12]), &y), next(&Mstl::new(vec![12]), &y)];
/// assert!(forecasts.iter().all(|v| v.abs() < 1.0));
/// assert!(next(&Ets, &y) > 0.0);
/// ```
pub trait Fit {
    /// The fitted model, another type than the one that was told what to do.
    type Fitted: Predict;

    /// Fits `y`: evenly spaced, oldest first, NaN where a value is missing.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`], [`ForecastError::Infinite`], [`ForecastError::TooLarge`]; what else a model refuses
    /// is said with it.
    fn fit(&self, y: &[f64]) -> Result<Self::Fitted, ForecastError>;
}

/// A model that has learned.
pub trait Predict {
    /// Forecasts the next `horizon` steps with an interval for each of `levels`, in their order.
    ///
    /// Shapes: `horizon` entries in the point forecast and in both ends of every interval.
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] for a horizon beyond what the model was set up for, [`ForecastError::NotWarm`] of an
    /// online model that has seen too little, [`ForecastError::Base`] where a model has no forecast.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError>;
}
