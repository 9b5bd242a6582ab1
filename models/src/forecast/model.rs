//! The two traits of every forecasting model: [`Fit`] learns from a series, [`Predict`] forecasts the following steps.

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
    /// The fitted model. It is a separate type, so that an unfitted model cannot forecast.
    type Fitted: Predict;

    /// Fits `y`: evenly spaced, oldest first, NaN where a value is missing.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`], [`ForecastError::Infinite`], [`ForecastError::TooLarge`]; each model documents its
    /// further errors.
    fn fit(&self, y: &[f64]) -> Result<Self::Fitted, ForecastError>;
}

/// A fitted model.
pub trait Predict {
    /// Forecasts the next `horizon` steps, with one interval for each of `levels`, in their order.
    ///
    /// Shapes: the point forecast and both ends of every interval have `horizon` entries.
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] for a horizon beyond the configured maximum, [`ForecastError::NotWarm`] for an
    /// online model with too few values, [`ForecastError::Base`] when a model cannot compute a forecast.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError>;
}
