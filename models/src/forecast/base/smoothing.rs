//! Exponential smoothing (ETS) of the augurs library, with safe inputs: values are standardised, gaps are filled, and
//! the seasonal forms are never used.

use augurs::Predict as FromAugurs;
use augurs::ets::{AutoETS, FittedAutoETS};

use super::spread::constant_forecast;
use crate::forecast::prepare::{Transform, check, fill_gaps};
use crate::forecast::{Fit, Forecast, ForecastError, Interval, Predict};
use crate::{Horizon, Level};

/// Minimum number of finite values.
const LEAST: usize = 10;

/// Non-seasonal exponential smoothing. The form is selected by an information criterion.
///
/// ```
/// use almanac_models::{Horizon, Level, forecast::{Ets, Fit, Predict}};
/// let y: Vec<f64> = (0..60).map(|t| 5.0 * f64::from(t) + f64::from(t * 7 % 5)).collect();
/// let forecast = Ets.fit(&y)?.predict(Horizon::try_new(5)?, &[Level::from_percent(95.0)?])?;
/// assert!((forecast.point[4] - 322.0).abs() < 10.0);
/// # Ok::<(), almanac_models::forecast::ForecastError>(())
/// ```
///
/// # Reference
/// Hyndman, Koehler, Snyder & Grose (2002), A state space framework for automatic forecasting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ets;

/// A fitted [`Ets`].
#[derive(Debug)]
pub struct FittedEts {
    scaled: ScaledSeries,
    model: Option<FittedAutoETS>,
}

impl Fit for Ets {
    type Fitted = FittedEts;

    /// Fits `y`: evenly spaced, oldest first, NaN where a value is missing, at least ten finite values.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`], [`ForecastError::Infinite`], [`ForecastError::TooLarge`], [`ForecastError::Base`].
    fn fit(&self, y: &[f64]) -> Result<FittedEts, ForecastError> {
        let (scaled, z) = ScaledSeries::new(y)?;
        let model = z
            .map(|z| augurs::Fit::fit(&AutoETS::non_seasonal(), &z))
            .transpose()
            .map_err(|error| base("ets", &error))?;
        Ok(FittedEts { scaled, model })
    }
}

impl Predict for FittedEts {
    /// Forecasts the next `horizon` steps. The intervals are the model's own and not calibrated.
    ///
    /// # Errors
    /// [`ForecastError::Base`] when the forecast is not finite or the selected form has no intervals.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        self.scaled.predict(self.model.as_ref(), "ets", horizon, levels)
    }
}

/// The transform under which a model was fitted; `None` for a constant series.
#[derive(Debug, Clone, Copy)]
struct ScaledSeries {
    transform: Option<Transform>,
    last: f64,
}

impl ScaledSeries {
    /// Checks, fills and standardises `y`. The second part is `None` for a constant series.
    fn new(y: &[f64]) -> Result<(Self, Option<Vec<f64>>), ForecastError> {
        let points = check(y)?;
        if points < LEAST {
            return Err(ForecastError::TooShort { points, needed: LEAST });
        }
        let first = y.iter().position(|v| v.is_finite()).unwrap_or(0);
        let filled = fill_gaps(&y[first..], &[]);
        let transform = Transform::linear(&filled);
        let last = filled.last().copied().unwrap_or_default();
        let z = transform.map(|transform| filled.iter().map(|v| transform.forward(*v)).collect());
        Ok((Self { transform, last }, z))
    }

    fn predict<P: FromAugurs>(
        &self,
        model: Option<&P>,
        name: &'static str,
        horizon: Horizon,
        levels: &[Level],
    ) -> Result<Forecast, ForecastError> {
        let steps = horizon.steps();
        let (Some(transform), Some(model)) = (self.transform, model) else {
            return Ok(constant_forecast(self.last, horizon, levels));
        };
        let back = |z: &[f64]| -> Vec<f64> { z.iter().map(|v| transform.inverse(*v)).collect() };
        let plain = model.predict(steps, None).map_err(|error| base(name, &error))?;
        let point = back(&plain.point);
        if point.iter().any(|v| !v.is_finite()) {
            return Err(ForecastError::Base { model: name, message: "the forecast is not finite".to_owned() });
        }
        let mut intervals = Vec::with_capacity(levels.len());
        for &level in levels {
            let forecast = model.predict(steps, level.fraction()).map_err(|error| base(name, &error))?;
            let missing =
                || ForecastError::Base { model: name, message: "the selected form has no intervals".to_owned() };
            let ends = forecast.intervals.ok_or_else(missing)?;
            let bounded = |ends: Vec<f64>, pick: fn(f64, f64) -> f64| -> Vec<f64> {
                ends.iter().zip(&point).map(|(end, p)| pick(*end, *p)).collect()
            };
            intervals.push(Interval {
                level,
                lower: bounded(back(&ends.lower), f64::min),
                upper: bounded(back(&ends.upper), f64::max),
            });
        }
        Ok(Forecast { point, intervals })
    }
}

/// Wraps a library error with the messages of all its sources.
fn base(model: &'static str, error: &dyn std::error::Error) -> ForecastError {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    ForecastError::Base { model, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_gappy_huge_short_and_infinite_input() {
        let h = Horizon::try_new(3).unwrap();
        let level = [Level::from_percent(80.0).unwrap()];
        // Constant, gaps, huge.
        assert_eq!(Ets.fit(&[4.0; 30]).unwrap().predict(h, &level).unwrap().point, vec![4.0; 3]);
        let mut y: Vec<f64> = (0..100).map(|t| 1e12 + f64::from(t % 10)).collect();
        y[20] = f64::NAN;
        let forecast = Ets.fit(&y).unwrap().predict(h, &level).unwrap();
        for (k, p) in forecast.point.iter().enumerate() {
            assert!((p - 1e12 - 5.0).abs() < 10.0, "{p}");
            assert!(forecast.intervals[0].lower[k] <= *p && *p <= forecast.intervals[0].upper[k]);
        }
        // Too short, infinite.
        assert!(matches!(Ets.fit(&[1.0, 2.0]), Err(ForecastError::TooShort { points: 2, needed: 10 })));
        assert!(matches!(Ets.fit(&[f64::INFINITY; 20]), Err(ForecastError::Infinite { idx: 0 })));
    }
}
