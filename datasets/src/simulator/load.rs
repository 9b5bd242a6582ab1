//! The simulated load: daily profile, weekdays, growth, and autoregressive noise.

use rand::Rng;
use rand_distr::StandardNormal;

use super::SimulatorOptions;

/// Knots of a working day: (hour, share of the daily peak).
const DAILY_PROFILE: [(f64, f64); 15] = [
    (0.0, 0.14),
    (4.0, 0.10),
    (6.5, 0.20),
    (8.0, 0.45),
    (9.5, 0.92),
    (10.5, 1.0),
    (12.0, 0.84),
    (12.75, 0.66),
    (14.0, 0.88),
    (15.5, 0.96),
    (17.0, 0.78),
    (18.5, 0.50),
    (20.0, 0.40),
    (22.0, 0.24),
    (24.0, 0.14),
];
/// Factor of each weekday from Monday, relative to a full working day.
const WEEKDAY_FACTORS: [f64; 7] = [1.0, 1.05, 1.05, 1.02, 0.92, 0.42, 0.38];

/// Returns the share of the weekly peak at a time, by cosine interpolation between the knots; `day` counts from a
/// Monday.
pub(super) fn profile(day: f64) -> f64 {
    let hour = day.rem_euclid(1.0) * 24.0;
    let level = |from: usize| -> f64 {
        let ((h0, v0), (h1, v1)) = (DAILY_PROFILE[from], DAILY_PROFILE[from + 1]);
        let w = (1.0 - (std::f64::consts::PI * (hour - h0) / (h1 - h0)).cos()) / 2.0;
        v0 + (v1 - v0) * w
    };
    let from = DAILY_PROFILE.windows(2).position(|pair| hour < pair[1].0).unwrap_or(DAILY_PROFILE.len() - 2);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 6")]
    let weekday = day.floor().rem_euclid(7.0) as usize;
    level(from) * WEEKDAY_FACTORS[weekday]
}

/// Load that drives the other signals, one value per step.
#[derive(Debug)]
pub(super) struct Load {
    /// Seasonal factor with a mean of 1.
    pub(super) seasonal: Vec<f64>,
    /// Standardised logarithm of the seasonal factor: mean 0, variance 1 over a week.
    pub(super) standardised: Vec<f64>,
    /// Growth factor, 1 at the start.
    pub(super) growth: Vec<f64>,
}

impl Load {
    pub(super) fn new(options: &SimulatorOptions) -> Self {
        let per_day = options.steps_per_day() as f64;
        let n = options.n_steps();
        let shares: Vec<f64> = (0..n).map(|t| profile(t as f64 / per_day)).collect();
        let mean = shares.iter().sum::<f64>() / n as f64;
        let seasonal: Vec<f64> = shares.iter().map(|share| share / mean).collect();
        let logs: Vec<f64> = seasonal.iter().map(|x| x.ln()).collect();
        let centre = logs.iter().sum::<f64>() / n as f64;
        let sd = (logs.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / n as f64).sqrt();
        let standardised = logs.iter().map(|x| (x - centre) / sd).collect();
        let growth = (0..n).map(|t| (1.0 + options.growth_per_week).powf(t as f64 / per_day / 7.0)).collect();
        Self { seasonal, standardised, growth }
    }
}

/// Generates a stationary AR(1) path of unit variance.
pub(super) fn autoregressive(rng: &mut impl Rng, n: usize, phi: f64) -> Vec<f64> {
    let innovation = (1.0 - phi * phi).sqrt();
    let mut x: f64 = rng.sample(StandardNormal);
    (0..n)
        .map(|_| {
            let current = x;
            let e: f64 = rng.sample(StandardNormal);
            x = phi * x + innovation * e;
            current
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn week_has_its_shape() {
        assert!(profile(0.4375) > 0.99, "Monday 10:30 is the peak");
        assert!(profile(4.0 / 24.0) < 0.11, "four in the morning is the trough");
        assert!((profile(5.4375) - 0.42).abs() < 1e-9, "Saturday is quiet");
        assert!((profile(7.3) - profile(0.3)).abs() < 1e-9, "weeks repeat");
    }
}
