//! Holt–Winters smoothing as a public model with uncalibrated intervals.

use super::holt_winters::{SearchStart, SmoothingState, SmoothingWeights, search, search_length};
use super::spread::{constant_forecast, with_intervals};
use crate::forecast::prepare::{Transform, check, fill_gaps};
use crate::forecast::{Fit, Forecast, ForecastError, Predict};
use crate::{Horizon, Level};

/// Minimum number of finite values.
const LEAST: usize = 10;

/// Holt–Winters smoothing with a damped trend, any number of additive seasons and an autoregressive error, in double
/// precision.
///
/// ```
/// use almanac_models::{Horizon, Level, forecast::{Fit, HoltWinters, Predict}};
/// let y: Vec<f64> = (0..24 * 20)
///     .map(|t| 1e9 + 50.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin() + f64::from(t * 7 % 5))
///     .collect();
/// let forecast = HoltWinters::new(vec![24]).fit(&y)?.predict(Horizon::try_new(24)?, &[Level::from_percent(80.0)?])?;
/// assert!((forecast.point[6] - 1e9 - 52.0).abs() < 5.0);
/// # Ok::<(), almanac_models::forecast::ForecastError>(())
/// ```
///
/// # Reference
/// Taylor (2010), Triple seasonal methods for short-term electricity demand forecasting; Gardner & McKenzie (1985),
/// Forecasting trends in time series, for the damping. Deviates: weights are chosen from a grid, by the mean
/// square of the one-step errors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HoltWinters {
    periods: Vec<usize>,
}

/// A fitted [`HoltWinters`].
#[derive(Debug, Clone)]
pub struct FittedHoltWinters {
    /// `None` for a constant series.
    transform: Option<Transform>,
    last: f64,
    weights: SmoothingWeights,
    state: SmoothingState,
    /// One-step errors, sorted.
    innovations: Vec<f64>,
}

impl HoltWinters {
    /// Creates a model with these season lengths in steps. Without a season it is Holt's method with a damped trend.
    #[must_use]
    pub fn new(mut periods: Vec<usize>) -> Self {
        periods.sort_unstable();
        periods.dedup();
        Self { periods }
    }
}

impl Fit for HoltWinters {
    type Fitted = FittedHoltWinters;

    /// Fits `y`: evenly spaced, oldest first, NaN where a value is missing; at least ten finite values and two of each
    /// season.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`], [`ForecastError::OutOfRange`] for a season of less than two steps,
    /// [`ForecastError::Infinite`], [`ForecastError::TooLarge`].
    fn fit(&self, y: &[f64]) -> Result<FittedHoltWinters, ForecastError> {
        if let Some(&shortest) = self.periods.first().filter(|m| **m < 2) {
            return Err(ForecastError::OutOfRange { what: "season length", value: shortest as f64 });
        }
        let points = check(y)?;
        let first = y.iter().position(|v| v.is_finite()).unwrap_or(0);
        let needed = self.periods.last().map_or(LEAST, |m| LEAST.max(2 * m));
        if points < LEAST || y.len() - first < needed {
            return Err(ForecastError::TooShort { points, needed });
        }
        let filled = fill_gaps(&y[first..], &self.periods);
        let transform = Transform::linear(&filled);
        // Run the state over the searched part only: weights chosen on it may be unstable over a longer history.
        // Measured effect: `docs/tuning/forecast.md`.
        let recent = search_length(self.periods.last().copied().unwrap_or(0));
        let filled = &filled[filled.len().saturating_sub(recent)..];
        let z: Vec<f64> = filled.iter().map(|v| transform.map_or(0.0, |transform| transform.forward(*v))).collect();
        let weights = search(&z, &self.periods, SearchStart::Fresh);
        let mut state = SmoothingState::initial(&z, &self.periods);
        let mut innovations: Vec<f64> = z.iter().map(|v| state.push(&weights, *v)).collect();
        // Drop the errors of the warm-up.
        innovations.drain(..innovations.len() / 5);
        innovations.sort_unstable_by(f64::total_cmp);
        Ok(FittedHoltWinters { transform, last: filled[filled.len() - 1], weights, state, innovations })
    }
}

impl Predict for FittedHoltWinters {
    /// Forecasts the next `horizon` steps. Intervals come from the one-step errors and are not calibrated. Never fails.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let Some(transform) = self.transform else { return Ok(constant_forecast(self.last, horizon, levels)) };
        let steps = horizon.steps();
        let (course, spread) = (self.state.forecast(&self.weights, steps), self.weights.spread(steps));
        Ok(with_intervals(&course, &spread, &self.innovations, levels, |z| transform.inverse(z)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seasons_and_bad_input() {
        let wave = |t: usize, m: usize| (t as f64 / m as f64 * std::f64::consts::TAU).sin();
        let y: Vec<f64> = (0..8 * 60).map(|t| 1e12 + 10.0 * wave(t, 12) + 20.0 * wave(t, 60)).collect();
        let fitted = HoltWinters::new(vec![60, 12]).fit(&y).unwrap();
        let level = Level::from_percent(95.0).unwrap();
        let forecast = fitted.predict(Horizon::try_new(60).unwrap(), &[level]).unwrap();
        for (k, p) in forecast.point.iter().enumerate() {
            let truth = 1e12 + 10.0 * wave(480 + k, 12) + 20.0 * wave(480 + k, 60);
            // Initial seasons are means over 3 cycles, shrunk by half a cycle: off by 0.5 / 3.5, a seventh of 30.
            assert!((p - truth).abs() < 30.0 / 7.0, "step {k}: {}", p - truth);
            assert!(forecast.intervals[0].lower[k] <= *p && *p <= forecast.intervals[0].upper[k]);
        }
        assert!(matches!(HoltWinters::new(vec![1]).fit(&y), Err(ForecastError::OutOfRange { .. })));
        assert!(matches!(HoltWinters::new(vec![300]).fit(&y), Err(ForecastError::TooShort { .. })));
        assert!(matches!(HoltWinters::new(vec![]).fit(&[]), Err(ForecastError::TooShort { .. })));
        let flat = HoltWinters::new(vec![12]).fit(&[3.0; 40]).unwrap();
        let flat = flat.predict(Horizon::try_new(2).unwrap(), &[level]).unwrap();
        assert_eq!(flat.point, vec![3.0; 2]);
    }

    #[test]
    fn a_random_walk_widens_as_its_square_root() {
        let weights = SmoothingWeights { alpha: 1.0, beta: 0.0, damping: 0.0, gammas: vec![], rho: 0.0 };
        let spread = weights.spread(9);
        assert!((spread[0] - 1.0).abs() < 1e-12);
        assert!((spread[8] - 3.0).abs() < 1e-12, "1 + 8 innovations of weight 1: {}", spread[8]);
    }
}
