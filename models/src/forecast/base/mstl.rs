//! Seasonal decomposition by loess as a model of its own.

use super::holt_winters::{SmoothingState, Start, Weights, search};
use super::spread::{around, constant};
use crate::forecast::prepare::{Space, Support, check, fill_gaps};
use crate::forecast::{Fit, Forecast, ForecastError, Predict};
use crate::stats::quantile;
use crate::{Horizon, Level};

/// Values below which nothing is fitted.
const LEAST: usize = 10;
/// Points of history that a fit looks at, unless four of the longest season are more: seasons older than these say nothing
/// of the next, and the time of a fit stays bounded.
const MAX_POINTS: usize = 20_000;

/// Share of errors by which intervals are measured against one season held out, and what that may widen them at most: a
/// single season says little of the rare.
const WIDE: f64 = 0.8;
const WIDEST: f64 = 4.0;

/// Several seasons by repeated loess decomposition, each carried forward, and what they leave by Holt's method with a
/// damped trend and an autoregressive error; in double precision.
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
/// seasonal patterns; Gardner & McKenzie (1985), Forecasting trends in time series. Deviates: logarithms of a
/// series that is never negative, else the series itself, in place of a chosen Box–Cox transformation; on the M4 hourly half
/// this has an OWA of 0.543, without logarithms 0.592.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mstl {
    periods: Vec<usize>,
}

/// A fitted [`Mstl`].
#[derive(Debug, Clone)]
pub struct FittedMstl {
    last: f64,
    /// `None`: the series is constant.
    fit: Option<Parts>,
}

#[derive(Debug, Clone)]
struct Parts {
    space: Space,
    support: Support,
    seasons: Vec<Season>,
    weights: Weights,
    state: SmoothingState,
    /// Errors of the trend one step ahead, sorted.
    surprises: Vec<f64>,
}

/// One season to come.
#[derive(Debug, Clone)]
struct Season {
    /// The last cycle, from the first step after the history on.
    cycle: Vec<f64>,
    /// Variance of what a phase changes from one cycle to the next, in that of the surprises.
    wander: f64,
}

impl Mstl {
    /// A model with these season lengths in steps.
    #[must_use]
    pub fn new(mut periods: Vec<usize>) -> Self {
        periods.sort_unstable();
        periods.dedup();
        Self { periods }
    }

    fn decompose(&self, space: Space, support: Support, z: &[f64]) -> Result<Parts, ForecastError> {
        let parts = stlrs::Mstl::fit(z, &self.periods)
            .map_err(|error| ForecastError::Base { model: "mstl", message: error.to_string() })?;
        let seasonal = parts.seasonal();
        let rest: Vec<f64> =
            z.iter().enumerate().map(|(t, v)| v - seasonal.iter().map(|s| s[t]).sum::<f64>()).collect();
        let weights = search(&rest, &[], Start::Fresh);
        let mut state = SmoothingState::initial(&rest, &[]);
        let mut surprises: Vec<f64> = rest.iter().map(|v| state.push(&weights, *v)).collect();
        // While the start is learned errors are not those of later.
        surprises.drain(..surprises.len() / 5);
        let variance = mean_square(surprises.iter().copied()).max(f64::MIN_POSITIVE);
        surprises.sort_unstable_by(f64::total_cmp);
        let season = |(&m, s): (&usize, &Vec<f64>)| Season {
            cycle: s[s.len() - m..].to_vec(),
            wander: (mean_square(s.iter().zip(&s[m..]).map(|(a, b)| b - a)) / variance).min(f64::MAX),
        };
        let seasons = self.periods.iter().zip(seasonal).map(season).collect();
        Ok(Parts { space, support, seasons, weights, state, surprises })
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
        let Some(space) = Space::log(&filled).or_else(|| Space::linear(&filled)) else {
            return Ok(FittedMstl { last: filled[filled.len() - 1], fit: None });
        };
        let z: Vec<f64> = filled.iter().map(|v| space.forward(*v)).collect();
        let mut fit = self.decompose(space, Support::of(y), &z)?;
        if z.len() > 3 * longest {
            let (known, ahead) = z.split_at(z.len() - longest);
            let wider = self.decompose(space, fit.support, known)?.wider(ahead);
            fit.surprises.iter_mut().for_each(|e| *e *= wider);
        }
        Ok(FittedMstl { last: filled[filled.len() - 1], fit: Some(fit) })
    }
}

fn mean_square(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(s, n), v| (s + v * v, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

impl Predict for FittedMstl {
    /// Forecasts the next `horizon` steps; intervals are those of the model with the errors it made one step ahead and
    /// what its seasons changed from cycle to cycle, widened by what it missed of the longest season held out.
    ///
    /// # Errors
    /// [`ForecastError::Base`] when the trend left the numbers, which ends far from any data.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let Some(fit) = &self.fit else { return Ok(constant(self.last, horizon, levels)) };
        let steps = horizon.steps();
        let forecast = around(&fit.course(steps), &fit.spread(steps), &fit.surprises, levels, |z| fit.shown(z));
        if forecast.point.iter().any(|v| !v.is_finite()) {
            return Err(ForecastError::Base { model: "mstl", message: "the forecast is not finite".to_owned() });
        }
        Ok(forecast)
    }
}

impl Parts {
    fn course(&self, steps: usize) -> Vec<f64> {
        let mut out = self.state.forecast(&self.weights, steps);
        for season in &self.seasons {
            out.iter_mut().zip(season.cycle.iter().cycle()).for_each(|(v, s)| *v += s);
        }
        out
    }

    fn shown(&self, z: f64) -> f64 {
        self.support.held(self.space.inverse(z))
    }

    /// How many times further off what came `ahead` was than the errors one step ahead said, at least 1: seasons that
    /// follow the data leave less in it than they will miss.
    fn wider(&self, ahead: &[f64]) -> f64 {
        let (course, spread) = (self.course(ahead.len()), self.spread(ahead.len()));
        let missed: Vec<f64> = ahead.iter().zip(&course).zip(&spread).map(|((a, p), s)| (a - p).abs() / s).collect();
        let said: Vec<f64> = self.surprises.iter().map(|e| e.abs()).collect();
        let end = |errors: &[f64]| quantile(errors, WIDE).unwrap_or(0.0);
        let ratio = end(&missed) / end(&said);
        if ratio.is_finite() { ratio.clamp(1.0, WIDEST) } else { 1.0 }
    }

    /// The standard deviation of the error by lead, in that of one surprise.
    fn spread(&self, steps: usize) -> Vec<f64> {
        let mut out = self.weights.spread(steps);
        for (k, s) in out.iter_mut().enumerate() {
            let wander: f64 =
                self.seasons.iter().map(|season| season.wander * (k / season.cycle.len() + 1) as f64).sum();
            *s = (s.powi(2) + wander).sqrt();
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

    /// Two seasons and a trend on a value whose digits single precision does not hold, with gaps.
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
    fn what_cannot_be_decomposed_is_refused() {
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
