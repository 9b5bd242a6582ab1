//! Generates the values of gauges, latencies and request counts, calibrated to the catalogue's means and 99th
//! percentiles.

use rand::Rng;
use rand_distr::{Distribution, Poisson, StandardNormal};

use super::{
    Driver, Shape, SignalRow, SimulatorOptions,
    incidents::{InjectedIncident, apply},
    load::{Load, autoregressive},
};

/// Correlation of a signal's logarithm with its driver.
const DRIVER_CORRELATION: f64 = 0.75;
/// Autocorrelation of the noise from one step to the next.
const NOISE_PHI: f64 = 0.6;
/// Share of a latency's log variance between steps; the rest is within each step.
const VARIANCE_BETWEEN_STEPS: f64 = 0.36;
/// Standard normal quantiles at 0.95 and 0.99.
pub(super) const Z95: f64 = 1.644_853_626_951_472_7;
pub(super) const Z99: f64 = 2.326_347_874_040_841;

/// Values of a latency: mean and quantiles of each step's requests.
pub(super) struct LatencyValues {
    pub(super) mean: Vec<f64>,
    pub(super) p50: Vec<f64>,
    pub(super) p95: Vec<f64>,
    pub(super) p99: Vec<f64>,
}

/// Returns the standard deviation of logarithms at which the 99th percentile of a lognormal is `ratio` times its mean;
/// `ratio` up to e^2.7.
pub(super) fn lognormal_sigma(ratio: f64) -> f64 {
    Z99 - (Z99 * Z99 - 2.0 * ratio.ln()).max(0.0).sqrt()
}

/// Returns the row's standardised driver mixed with its own noise: mean about 0, variance about 1.
fn latent_path(options: &SimulatorOptions, load: &Load, row: &SignalRow) -> Vec<f64> {
    let n = options.n_steps();
    let noise = autoregressive(&mut options.stream(row.name), n, NOISE_PHI);
    let driver: Vec<f64> = match row.driver {
        Driver::Flat => return noise,
        Driver::Load => load.standardised.clone(),
        Driver::Nightly => (0..n).map(|t| nightly(t as f64 / options.steps_per_day() as f64)).collect(),
    };
    let rest = (1.0 - DRIVER_CORRELATION * DRIVER_CORRELATION).sqrt();
    driver.iter().zip(&noise).map(|(u, e)| DRIVER_CORRELATION * u + rest * e).collect()
}

/// Returns a job at 2:30 plus a small daily wave: mean about 0, variance about 1.
fn nightly(day: f64) -> f64 {
    let hour = day.rem_euclid(1.0) * 24.0;
    let job = (-0.5 * ((hour - 2.5) / 0.8).powi(2)).exp();
    let wave = -(std::f64::consts::TAU * (hour - 4.0) / 24.0).cos();
    (3.0 * job + 0.5 * wave - 0.25) / 0.9
}

/// Returns the scale `s` at which the 99th percentile of `exp(s·z)` is `ratio` times its mean, and that mean.
fn calibrate(z: &[f64], ratio: f64) -> (f64, f64) {
    // Every 7th value: 7 is coprime to the steps of a day, so that the sample has all times of day.
    let sample: Vec<f64> = z.iter().step_by(if z.len() > 20_000 { 7 } else { 1 }).copied().collect();
    let rank = ((sample.len() as f64 - 1.0) * 0.99).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the sample")]
    let rank = rank as usize;
    let mut sorted = sample.clone();
    sorted.sort_by(f64::total_cmp);
    let mean_at = |s: f64, from: &[f64]| from.iter().map(|z| (s * z).exp()).sum::<f64>() / from.len() as f64;
    // Bisection: the ratio grows with `s`.
    let (mut low, mut high) = (0.0, 3.0);
    for _ in 0..40 {
        let s = (low + high) / 2.0;
        if (s * sorted[rank]).exp() / mean_at(s, &sample) < ratio { low = s } else { high = s }
    }
    (low, mean_at(low, z))
}

/// Adds harmless bumps that are not incidents: about one per day, two to four minutes long, 1.3 to 1.7 times the value.
fn bump(options: &SimulatorOptions, row: &SignalRow, values: &mut [f64]) {
    let mut rng = options.stream(&format!("{} bumps", row.name));
    let minute = 60_000.0 / options.step.millis() as f64;
    let mut at = 0.0;
    loop {
        let gap: f64 = rand_distr::Exp1.sample(&mut rng);
        at += gap * options.steps_per_day() as f64;
        let (minutes, factor) = (rng.random_range(2.0..4.0), rng.random_range(1.3..1.7));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a step of the run")]
        let (first, length) = (at as usize, ((minutes * minute) as usize).max(1));
        if first >= values.len() {
            return;
        }
        let end = (first + length).min(values.len());
        values[first..end].iter_mut().for_each(|value| *value *= factor);
    }
}

/// Returns the values of a gauge: calibrated to the row's mean and 99th percentile, then growth, bumps, incidents and
/// the limit.
pub(super) fn gauge(
    options: &SimulatorOptions,
    load: &Load,
    incidents: &[InjectedIncident],
    row: &SignalRow,
) -> Vec<f64> {
    let Shape::Gauge { limit } = row.shape else { return vec![row.mean; options.n_steps()] };
    let z = latent_path(options, load, row);
    let (s, mean) = calibrate(&z, row.p99 / row.mean);
    let mut values: Vec<f64> = z.iter().map(|z| row.mean * (s * z).exp() / mean).collect();
    if row.driver == Driver::Load {
        values.iter_mut().zip(&load.growth).for_each(|(value, growth)| *value *= growth.sqrt());
    }
    bump(options, row, &mut values);
    apply(incidents, row.name, &mut values);
    values.iter_mut().for_each(|value| *value = value.min(limit));
    values
}

/// Returns the values of a latency: lognormal requests around a level that follows the load.
pub(super) fn latency(
    options: &SimulatorOptions,
    load: &Load,
    incidents: &[InjectedIncident],
    row: &SignalRow,
) -> LatencyValues {
    let sigma = lognormal_sigma(row.p99 / row.mean);
    let (between, within) = (sigma * VARIANCE_BETWEEN_STEPS.sqrt(), sigma * (1.0 - VARIANCE_BETWEEN_STEPS).sqrt());
    let level: Vec<f64> = latent_path(options, load, row).iter().map(|z| (between * z).exp()).collect();
    let mean = level.iter().sum::<f64>() / level.len() as f64;
    let mut level: Vec<f64> =
        level.iter().zip(&load.growth).map(|(x, growth)| row.mean * x / mean * growth.sqrt().sqrt()).collect();
    bump(options, row, &mut level);
    apply(incidents, row.name, &mut level);
    let mut rng = options.stream(&format!("{} quantiles", row.name));
    let mut quantile = |z: f64, error: f64| -> Vec<f64> {
        let factor = (z * within - within * within / 2.0).exp();
        level
            .iter()
            .map(|x| {
                let e: f64 = rng.sample(StandardNormal);
                x * factor * (error * e).exp()
            })
            .collect()
    };
    let (p50, p95, p99) = (quantile(0.0, 0.01), quantile(Z95, 0.02), quantile(Z99, 0.04));
    LatencyValues { mean: level, p50, p95, p99 }
}

/// Returns the Poisson number of requests of each step at a mean rate of `per_second`.
pub(super) fn requests(
    options: &SimulatorOptions,
    load: &Load,
    incidents: &[InjectedIncident],
    name: &str,
    per_second: f64,
) -> Vec<f64> {
    let mut rng = options.stream(name);
    let noise = autoregressive(&mut rng, options.n_steps(), 0.9);
    let seconds = options.step.millis() as f64 / 1000.0;
    let mut rates: Vec<f64> = (0..options.n_steps())
        .map(|t| per_second * load.seasonal[t] * load.growth[t] * (0.05 * noise[t]).exp())
        .collect();
    apply(incidents, "load", &mut rates);
    rates.iter().map(|rate| Poisson::new((rate * seconds).max(1e-9)).map_or(0.0, |law| law.sample(&mut rng))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigma_gives_the_ratio() {
        for ratio in [1.5_f64, 2.5, 4.0] {
            let s = lognormal_sigma(ratio);
            assert!(((Z99 * s - s * s / 2.0).exp() - ratio).abs() < 1e-9);
        }
    }

    #[test]
    fn calibration_meets_its_target() {
        let options = SimulatorOptions { weeks: 1, ..Default::default() };
        let z = autoregressive(&mut options.stream("z"), 10_080, 0.5);
        let (s, mean) = calibrate(&z, 3.0);
        let mut values: Vec<f64> = z.iter().map(|z| (s * z).exp() / mean).collect();
        values.sort_by(f64::total_cmp);
        assert!((values[9978] - 3.0).abs() < 0.05, "{}", values[9978]);
    }
}
