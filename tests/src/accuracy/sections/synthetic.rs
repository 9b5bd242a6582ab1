//! Generates random series for the tables of counts, recurring jobs and shifts of level, and counts coverage.

use almanac_models::{
    Horizon, Level, Step,
    forecast::{AutoForecaster, Fit, Forecast, Predict},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson};

/// Levels of the measured intervals, in percent.
pub(super) const PERCENT: [f64; 3] = [50.0, 80.0, 95.0];

/// Number of values inside each of the three intervals, and number of values.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Inside {
    pub hits: [f64; 3],
    pub values: f64,
}

impl Inside {
    /// Counts the actual values of `steps` inside the intervals.
    pub(super) fn take(&mut self, forecast: &Forecast, actual: &[f64], steps: std::ops::Range<usize>) {
        for (k, v) in steps.clone().zip(&actual[steps]) {
            self.values += 1.0;
            for (hits, interval) in self.hits.iter_mut().zip(&forecast.intervals) {
                *hits += f64::from(u8::from(interval.lower[k] <= *v && *v <= interval.upper[k]));
            }
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        let mut hits = self.hits;
        hits.iter_mut().zip(other.hits).for_each(|(a, b)| *a += b);
        Self { hits, values: self.values + other.values }
    }

    /// Returns the coverage in percent by level.
    pub(super) fn cells(self) -> [String; 3] {
        self.hits.map(|hits| format!("{:.1}", 100.0 * hits / self.values.max(1.0)))
    }
}

/// Returns the default forecast of the `steps` after `y`.
pub(super) fn forecast(y: &[f64], step_ms: i64, steps: usize) -> Result<Forecast, String> {
    let told = |error: almanac_models::UnitError| error.to_string();
    let (step, horizon) = (Step::from_millis(step_ms).map_err(told)?, Horizon::try_new(steps).map_err(told)?);
    let levels = PERCENT.into_iter().map(Level::from_percent).collect::<Result<Vec<_>, _>>().map_err(told)?;
    let fitted = AutoForecaster::new(step).with_horizon(horizon).fit(y);
    fitted.and_then(|fitted| fitted.predict(horizon, &levels)).map_err(|error| error.to_string())
}

/// Returns normal noise of this standard deviation.
pub(super) fn noise(seed: u64, n: usize, sd: f64) -> Result<Vec<f64>, String> {
    let normal = Normal::new(0.0, sd).map_err(|error| error.to_string())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Ok((0..n).map(|_| normal.sample(&mut rng)).collect())
}

/// Returns counts of this mean: negative binomial with dispersion parameter `size`, Poisson for `None`.
pub(super) fn counts(seed: u64, n: usize, mean: f64, size: Option<f64>) -> Result<Vec<f64>, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let gamma = size.map(|size| Gamma::new(size, mean / size)).transpose().map_err(|error| error.to_string())?;
    let one = |rng: &mut ChaCha8Rng| -> Result<f64, String> {
        let rate = gamma.map_or(mean, |gamma| gamma.sample(rng));
        Ok(if rate > 0.0 { Poisson::new(rate).map_err(|error| error.to_string())?.sample(rng) } else { 0.0 })
    };
    (0..n).map(|_| one(&mut rng)).collect()
}

/// Returns a random whole number below `below`.
pub(super) fn pick(seed: u64, below: usize) -> usize {
    ChaCha8Rng::seed_from_u64(seed).random_range(0..below)
}
