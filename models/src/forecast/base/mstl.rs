//! Forecasts by seasonal-trend decomposition with loess (MSTL).

use super::holt_winters::{SearchStart, SmoothingState, SmoothingWeights, search};
use super::spread::{constant_forecast, with_intervals};
use crate::forecast::prepare::{Support, Transform, check, fill_gaps};
use crate::forecast::{Fit, Forecast, ForecastError, Predict};
use crate::stats::quantile;
use crate::{Horizon, Level};

/// Minimum number of finite values.
const LEAST: usize = 10;
/// Maximum number of points in a fit, unless four of the longest season are more. It bounds the time of a fit; older
/// seasons carry no information on the next one.
const MAX_POINTS: usize = 20_000;

/// Quantile of the absolute errors at which intervals are compared with a held-out season, and maximum widening factor.
/// A single season has too few values for a more extreme quantile.
const WIDE: f64 = 0.8;
const WIDEST: f64 = 4.0;

/// Decomposes several seasons by repeated loess and repeats the last cycle of each. The remainder is forecast by Holt's
/// method with a damped trend and an autoregressive error. Computed in double precision.
///
/// ```
/// use almanac_models::{Horizon, forecast::{Fit, Mstl, Predict}};
/// let y: Vec<f64> = (0..240).map(|t| 1e9 + 10.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin()).collect();
/// let forecast = Mstl::new(vec![24]).fit(&y)?.predict(Horizon::try_new(24)?, &[])?;
/// assert!((forecast.point[6] - 1e9 - 10.0).abs() < 1.0);
/// # Ok::<(), almanac_models::forecast::ForecastError>(())
/// ```
///
/// # Reference
/// Bandara, Hyndman & Bergmeir (2021), MSTL: a seasonal-trend decomposition algorithm for time series with multiple
/// seasonal patterns; Gardner & McKenzie (1985), Forecasting trends in time series. Deviates: logarithms
/// for a series without negative values, otherwise no transformation, in place of an estimated Box–Cox transformation.
/// Tried values: `docs/tuning/forecast.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mstl {
    periods: Vec<usize>,
}

/// A fitted [`Mstl`].
#[derive(Debug, Clone)]
pub struct FittedMstl {
    last: f64,
    /// `None` for a constant series.
    fit: Option<Decomposition>,
}

/// The fitted seasons, and the exponential smoothing of the remainder.
#[derive(Debug, Clone)]
struct Decomposition {
    transform: Transform,
    support: Support,
    seasons: Vec<SeasonalComponent>,
    weights: SmoothingWeights,
    state: SmoothingState,
    /// One-step errors of the remainder, sorted.
    innovations: Vec<f64>,
}

/// The forecast of one season.
#[derive(Debug, Clone)]
struct SeasonalComponent {
    /// The last cycle. Its first entry is the phase of the first step after the history.
    cycle: Vec<f64>,
    /// Variance of a phase's change from one cycle to the next, relative to that of the innovations.
    change_variance: f64,
}

impl Mstl {
    /// Creates a model with these season lengths in steps.
    #[must_use]
    pub fn new(mut periods: Vec<usize>) -> Self {
        periods.sort_unstable();
        periods.dedup();
        Self { periods }
    }

    /// Decomposes `z`, in transformed units, and fits the remainder.
    fn decompose(&self, transform: Transform, support: Support, z: &[f64]) -> Result<Decomposition, ForecastError> {
        let parts = stlrs::Mstl::fit(z, &self.periods)
            .map_err(|error| ForecastError::Base { model: "mstl", message: error.to_string() })?;
        let seasonal = parts.seasonal();
        let rest: Vec<f64> =
            z.iter().enumerate().map(|(t, v)| v - seasonal.iter().map(|s| s[t]).sum::<f64>()).collect();
        let weights = search(&rest, &[], SearchStart::Fresh);
        let mut state = SmoothingState::initial(&rest, &[]);
        let mut innovations: Vec<f64> = rest.iter().map(|v| state.push(&weights, *v)).collect();
        // Drop the errors of the warm-up.
        innovations.drain(..innovations.len() / 5);
        let variance = mean_square(innovations.iter().copied()).max(f64::MIN_POSITIVE);
        innovations.sort_unstable_by(f64::total_cmp);
        let season = |(&m, s): (&usize, &Vec<f64>)| SeasonalComponent {
            cycle: s[s.len() - m..].to_vec(),
            change_variance: (mean_square(s.iter().zip(&s[m..]).map(|(a, b)| b - a)) / variance).min(f64::MAX),
        };
        let seasons = self.periods.iter().zip(seasonal).map(season).collect();
        Ok(Decomposition { transform, support, seasons, weights, state, innovations })
    }
}

impl Fit for Mstl {
    type Fitted = FittedMstl;

    /// Fits `y`: evenly spaced, oldest first, NaN where a value is missing, more than two of the longest season.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`], [`ForecastError::OutOfRange`] for a season of less than two steps or without any,
    /// [`ForecastError::Infinite`], [`ForecastError::TooLarge`], [`ForecastError::Base`].
    fn fit(&self, y: &[f64]) -> Result<FittedMstl, ForecastError> {
        let (Some(&shortest), Some(&longest)) = (self.periods.first(), self.periods.last()) else {
            return Err(ForecastError::OutOfRange { what: "number of seasons", value: 0.0 });
        };
        if shortest < 2 {
            return Err(ForecastError::OutOfRange { what: "season length", value: shortest as f64 });
        }
        let points = check(y)?;
        let first = y.iter().position(|v| v.is_finite()).unwrap_or(y.len());
        let y = &y[first..];
        if points < LEAST || y.len() / 2 < longest || y.len() == 2 * longest {
            return Err(ForecastError::TooShort {
                points: points.min(y.len()),
                needed: longest.saturating_mul(2).saturating_add(1).max(LEAST),
            });
        }
        let filled = fill_gaps(&y[y.len().saturating_sub(MAX_POINTS.max(4 * longest))..], &self.periods);
        let Some(transform) = Transform::log(&filled).or_else(|| Transform::linear(&filled)) else {
            return Ok(FittedMstl { last: filled[filled.len() - 1], fit: None });
        };
        let z: Vec<f64> = filled.iter().map(|v| transform.forward(*v)).collect();
        let mut fit = self.decompose(transform, Support::of(y), &z)?;
        // Widen by a decomposition without the last season: loess seasons overfit, so in-sample errors are too small.
        if z.len() > 3 * longest {
            let (known, ahead) = z.split_at(z.len() - longest);
            let widening = self.decompose(transform, fit.support, known)?.widening(ahead);
            fit.innovations.iter_mut().for_each(|e| *e *= widening);
        }
        Ok(FittedMstl { last: filled[filled.len() - 1], fit: Some(fit) })
    }
}

fn mean_square(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(s, n), v| (s + v * v, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

impl Predict for FittedMstl {
    /// Forecasts the next `horizon` steps. Intervals combine the one-step errors with the change of seasons from cycle
    /// to cycle, and are widened by the errors on a held-out longest season.
    ///
    /// # Errors
    /// [`ForecastError::Base`] when the forecast is not finite.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let Some(fit) = &self.fit else { return Ok(constant_forecast(self.last, horizon, levels)) };
        let steps = horizon.steps();
        let forecast =
            with_intervals(&fit.course(steps), &fit.spread(steps), &fit.innovations, levels, |z| fit.to_unit(z));
        if forecast.point.iter().any(|v| !v.is_finite()) {
            return Err(ForecastError::Base { model: "mstl", message: "the forecast is not finite".to_owned() });
        }
        Ok(forecast)
    }
}

impl Decomposition {
    fn course(&self, steps: usize) -> Vec<f64> {
        let mut out = self.state.forecast(&self.weights, steps);
        for season in &self.seasons {
            out.iter_mut().zip(season.cycle.iter().cycle()).for_each(|(v, s)| *v += s);
        }
        out
    }

    fn to_unit(&self, z: f64) -> f64 {
        self.support.clamp(self.transform.inverse(z))
    }

    /// Returns the ratio of the errors on the held-out values `ahead` to the one-step errors, from 1 to [`WIDEST`].
    /// Seasons fitted to the data leave smaller residuals than they will have on new data.
    fn widening(&self, ahead: &[f64]) -> f64 {
        let (course, spread) = (self.course(ahead.len()), self.spread(ahead.len()));
        let missed: Vec<f64> = ahead.iter().zip(&course).zip(&spread).map(|((a, p), s)| (a - p).abs() / s).collect();
        let in_sample: Vec<f64> = self.innovations.iter().map(|e| e.abs()).collect();
        let end = |errors: &[f64]| quantile(errors, WIDE).unwrap_or(0.0);
        let ratio = end(&missed) / end(&in_sample);
        if ratio.is_finite() { ratio.clamp(1.0, WIDEST) } else { 1.0 }
    }

    /// Returns the standard deviation of the error by lead, relative to one step.
    fn spread(&self, steps: usize) -> Vec<f64> {
        let mut out = self.weights.spread(steps);
        for (k, s) in out.iter_mut().enumerate() {
            let change_variance: f64 =
                self.seasons.iter().map(|season| season.change_variance * (k / season.cycle.len() + 1) as f64).sum();
            *s = (s.powi(2) + change_variance).sqrt();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(t: usize, m: usize) -> f64 {
        (t as f64 / m as f64 * std::f64::consts::TAU).sin()
    }

    fn noise(t: usize) -> f64 {
        ((t * 7_919 + t * t * 31) % 101) as f64 / 101.0 - 0.5
    }

    /// Two seasons and a trend at a level that exceeds the digits of single precision, with gaps.
    #[test]
    fn seasons_are_carried_forward_at_any_size() {
        let truth = |t: usize| 1e12 + 10.0 * wave(t, 24) + 5.0 * wave(t, 168) + 0.01 * t as f64;
        let mut y: Vec<f64> = (0..168 * 5).map(|t| truth(t) + noise(t)).collect();
        y[300..320].fill(f64::NAN);
        y[5] = f64::NAN;
        let level = [Level::from_percent(95.0).unwrap()];
        let forecast =
            Mstl::new(vec![168, 24]).fit(&y).unwrap().predict(Horizon::try_new(48).unwrap(), &level).unwrap();
        for (k, p) in forecast.point.iter().enumerate() {
            let expected = truth(168 * 5 + k);
            assert!((p - expected).abs() < 1.5, "step {k}: off by {}", p - expected);
            let (low, high) = (forecast.intervals[0].lower[k], forecast.intervals[0].upper[k]);
            assert!(low <= *p && *p <= high && high - low < 10.0, "step {k}: {}", high - low);
        }
    }

    #[test]
    fn input_that_cannot_be_decomposed_is_an_error() {
        let y: Vec<f64> = (0..100).map(|t| wave(t, 10) + noise(t)).collect();
        assert!(matches!(Mstl::new(vec![]).fit(&y), Err(ForecastError::OutOfRange { .. })));
        assert!(matches!(Mstl::new(vec![1]).fit(&y), Err(ForecastError::OutOfRange { .. })));
        assert!(matches!(Mstl::new(vec![50]).fit(&y), Err(ForecastError::TooShort { points: 100, needed: 101 })));
        assert!(matches!(Mstl::new(vec![usize::MAX]).fit(&y), Err(ForecastError::TooShort { .. })));
        assert!(matches!(Mstl::new(vec![2]).fit(&[1.0, 2.0]), Err(ForecastError::TooShort { points: 2, needed: 10 })));
        assert!(matches!(Mstl::new(vec![2]).fit(&[f64::INFINITY; 20]), Err(ForecastError::Infinite { idx: 0 })));
        let h = Horizon::try_new(3).unwrap();
        assert_eq!(Mstl::new(vec![10]).fit(&[4.0; 30]).unwrap().predict(h, &[]).unwrap().point, vec![4.0; 3]);
    }
}
