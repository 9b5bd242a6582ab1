//! The seasonal naive forecast as a public model: the baseline for accuracy figures.

use super::naive::seasonal_naive;
use super::spread::constant_forecast;
use crate::forecast::prepare::{check, fill_gaps};
use crate::forecast::{Fit, Forecast, ForecastError, Interval, Predict};
use crate::stats::quantile_sorted;
use crate::{Horizon, Level};

/// Maximum number of past errors per distance; more are thinned evenly, and the newest is kept.
const ERRORS: usize = 500;

/// Forecasts the value one season ago. Intervals come from past errors at the same distance.
///
/// ```
/// use almanac_models::{Horizon, Level, forecast::{Fit, Predict, SeasonalNaive}};
/// let y = [3.0, 7.0, 5.0, 4.0, 8.0, 6.0];
/// let forecast = SeasonalNaive::new(3).fit(&y)?.predict(Horizon::try_new(4)?, &[Level::from_percent(80.0)?])?;
/// assert_eq!(forecast.point, [4.0, 8.0, 6.0, 4.0]);
/// // A season before, each value was one less.
/// assert_eq!(forecast.intervals[0].upper[1], 9.0);
/// # Ok::<(), almanac_models::forecast::ForecastError>(())
/// ```
///
/// # Reference
/// Hyndman & Athanasopoulos (2021), Forecasting: principles and practice, section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeasonalNaive {
    period: usize,
}

/// A fitted [`SeasonalNaive`].
#[derive(Debug, Clone, PartialEq)]
pub struct FittedSeasonalNaive {
    period: usize,
    /// Finite throughout.
    filled: Vec<f64>,
    /// NaN where missing.
    y: Vec<f64>,
}

impl SeasonalNaive {
    /// Creates a model with a season of `period` steps; 1 repeats the last value.
    #[must_use]
    pub fn new(period: usize) -> Self {
        Self { period: period.max(1) }
    }
}

impl Fit for SeasonalNaive {
    type Fitted = FittedSeasonalNaive;

    /// Fits `y`: evenly spaced, oldest first, NaN where a value is missing; at least one season.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`], [`ForecastError::Infinite`], [`ForecastError::TooLarge`].
    fn fit(&self, y: &[f64]) -> Result<FittedSeasonalNaive, ForecastError> {
        let points = check(y)?;
        let first = y.iter().position(|v| v.is_finite()).unwrap_or(y.len());
        let y = &y[first..];
        if y.len() < self.period || points == 0 {
            return Err(ForecastError::TooShort { points, needed: self.period });
        }
        Ok(FittedSeasonalNaive { period: self.period, filled: fill_gaps(y, &[self.period]), y: y.to_vec() })
    }
}

impl FittedSeasonalNaive {
    /// Returns the sorted differences of values `distance` steps apart.
    fn errors(&self, distance: usize) -> Vec<f64> {
        let every = self.y.len().saturating_sub(distance).div_ceil(ERRORS).max(1);
        let ends = (distance..self.y.len()).rev().step_by(every);
        let mut errors: Vec<f64> = ends.map(|t| self.y[t] - self.y[t - distance]).filter(|e| e.is_finite()).collect();
        errors.sort_unstable_by(f64::total_cmp);
        errors
    }
}

impl Predict for FittedSeasonalNaive {
    /// Forecasts the next `horizon` steps. Never fails. Beyond the distances of known errors, intervals widen like
    /// those of a random walk.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let steps = horizon.steps();
        if self.filled.iter().all(|v| (v - self.filled[0]).abs() <= 0.0) {
            return Ok(constant_forecast(self.filled[0], horizon, levels));
        }
        let point = seasonal_naive(&self.filled, self.period, steps);
        let cycles = steps.div_ceil(self.period);
        // Longest distance with known errors, in cycles.
        let known = (1..=cycles).take_while(|c| c * self.period < self.y.len()).count();
        let errors: Vec<Vec<f64>> = (1..=known.max(1)).map(|c| self.errors(c * self.period)).collect();
        let end = |k: usize, p: f64, hold: fn(f64, f64) -> f64| {
            let cycle = k / self.period + 1;
            let index = cycle.min(errors.len()) - 1;
            let widen = (cycle as f64 / (index + 1) as f64).sqrt();
            hold(point[k] + widen * quantile_sorted(&errors[index], p).unwrap_or(0.0), point[k])
        };
        let intervals = levels
            .iter()
            .map(|&level| {
                let tail = 0.5 * (1.0 - level.fraction());
                let lower = (0..steps).map(|k| end(k, tail, f64::min)).collect();
                Interval { level, lower, upper: (0..steps).map(|k| end(k, 1.0 - tail, f64::max)).collect() }
            })
            .collect();
        Ok(Forecast { point, intervals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_same_distance() {
        // Each cycle adds 2: the next is off by 2, the one after it by 4.
        let y: Vec<f64> = (0..200).map(|t| [5.0, 1.0, 7.0, 2.0][t % 4] + 2.0 * (t / 4) as f64).collect();
        let level = Level::from_percent(80.0).unwrap();
        let forecast = SeasonalNaive::new(4).fit(&y).unwrap().predict(Horizon::try_new(8).unwrap(), &[level]).unwrap();
        for k in 0..8 {
            assert!((forecast.point[k] - y[196 + k % 4]).abs() < 1e-12);
            assert!((forecast.intervals[0].upper[k] - y[196 + k % 4] - 2.0 * (k / 4 + 1) as f64).abs() < 1e-9);
        }
        assert!(matches!(SeasonalNaive::new(4).fit(&[1.0; 3]), Err(ForecastError::TooShort { points: 3, needed: 4 })));
        assert!(SeasonalNaive::new(1).fit(&[f64::NAN]).is_err());
    }
}
