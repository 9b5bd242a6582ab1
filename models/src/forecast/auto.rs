use super::{Accuracy, Forecast, ForecastError};
use crate::{Horizon, Level, Step};

/// The default forecaster: several base models, combined as they did from rolling origins, with
/// conformal intervals of the right horizon.
///
/// ```
/// use almanac_models::{Horizon, Level, Step, forecast::AutoForecaster};
/// let hour = Step::from_millis(3_600_000)?;
/// let day = Step::from_millis(86_400_000)?;
/// let y: Vec<f64> = (0..24 * 14).map(|t| 100.0 + 50.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin()).collect();
/// let fitted = AutoForecaster::new(hour).with_seasons(vec![day]).fit(&y)?;
/// let forecast = fitted.predict(Horizon::try_new(24)?, &[Level::from_percent(80.0)?])?;
/// assert!((forecast.point[5] - 150.0).abs() < 5.0);
/// # Ok::<(), almanac_models::forecast::ForecastError>(())
/// ```
#[derive(Debug, Clone)]
pub struct AutoForecaster {
    step: Step,
    seasons: Option<Vec<Step>>,
    horizon: Option<Horizon>,
}

impl AutoForecaster {
    /// A forecaster of series whose points lie `step` apart; seasons are detected.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self { step, seasons: None, horizon: None }
    }

    /// Takes these seasons instead of detecting them; an empty list says that there is none.
    #[must_use]
    pub fn with_seasons(mut self, seasons: Vec<Step>) -> Self {
        self.seasons = Some(seasons);
        self
    }

    /// Calibrates intervals up to this horizon (default: the longest season, at least 48 steps, at most 1,440).
    /// Further ahead they widen by extrapolation.
    #[must_use]
    pub fn with_horizon(mut self, horizon: Horizon) -> Self {
        self.horizon = Some(horizon);
        self
    }

    /// Fits the series `y`: evenly spaced, oldest first, NaN where a value is missing.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`] below three finite values, [`ForecastError::Infinite`],
    /// [`ForecastError::TooLarge`], [`ForecastError::Season`] for a given season that does not fit the step.
    pub fn fit(&self, y: &[f64]) -> Result<FittedForecast, ForecastError> {
        let _ = (&self.seasons, self.horizon, self.step, y);
        Err(ForecastError::Base { model: "auto", message: "not yet built".into() })
    }
}

/// A fitted [`AutoForecaster`].
#[derive(Debug, Clone)]
pub struct FittedForecast {
    seasons: Vec<Step>,
    model: String,
    accuracy: Accuracy,
}

impl FittedForecast {
    /// Forecasts the next `horizon` steps with an interval for each of `levels`.
    ///
    /// # Errors
    /// None at present besides those of the base models.
    pub fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let _ = (horizon, levels);
        Err(ForecastError::Base { model: "auto", message: "not yet built".into() })
    }

    /// The quantile `p` in (0, 1) of each of the next `horizon` steps.
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] when `p` is not inside (0, 1).
    pub fn quantile(&self, horizon: Horizon, p: f64) -> Result<Vec<f64>, ForecastError> {
        let _ = (horizon, p);
        Err(ForecastError::Base { model: "auto", message: "not yet built".into() })
    }

    /// The seasons that the model uses, shortest first.
    #[must_use]
    pub fn seasons(&self) -> &[Step] {
        &self.seasons
    }

    /// The name of what was fitted, such as `median(ar,profile,snaive)`.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What rolling origins at the end of the history measured.
    #[must_use]
    pub fn accuracy(&self) -> &Accuracy {
        &self.accuracy
    }
}
