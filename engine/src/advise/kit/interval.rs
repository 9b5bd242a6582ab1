//! Intervals: the level of every promise, the mean with an interval from blocks of time, and the block bootstrap.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Level of every promised and every measured interval.
pub const LEVEL: f64 = 0.8;
/// Normal quantile of the two-sided interval at [`LEVEL`].
const Z: f64 = 1.2816;
/// Number of bootstrap resamples.
pub const RESAMPLES: usize = 1_000;
/// Minimum number of steps of a measured mean.
const MIN_STEPS: usize = 100;
/// Number of blocks of time that a measured mean is cut into.
const BLOCKS: usize = 12;

/// A value with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Point value.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// Returns [`RESAMPLES`] draws of `n` indices with replacement. The seed is fixed, so that results are comparable and
/// repeatable.
pub fn resamples(n: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (0..RESAMPLES).map(move |_| (0..n).map(|_| rng.random_range(0..n)).collect())
}

/// Returns the mean of `steps` with an 80 % interval from the variance between blocks of time. None below 100 steps.
#[must_use]
pub fn judge_mean(steps: &[f64]) -> Option<Interval> {
    if steps.len() < MIN_STEPS {
        return None;
    }
    let mean = |values: &[f64]| {
        let n = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
        values.iter().sum::<f64>() / n
    };
    let value = mean(steps);
    let shares: Vec<f64> = steps.chunks_exact(steps.len() / BLOCKS).map(mean).collect();
    let n = f64::from(u32::try_from(shares.len()).unwrap_or(u32::MAX));
    let spread = shares.iter().map(|share| (share - value).powi(2)).sum::<f64>() / (n - 1.0);
    let margin = Z * (spread / n).sqrt();
    Some(Interval { value, lower: value - margin, upper: value + margin })
}

#[cfg(test)]
mod tests {
    use super::judge_mean;

    #[test]
    fn few_steps_say_nothing() {
        assert_eq!(judge_mean(&[0.0; 99]), None);
    }

    #[test]
    fn the_interval_holds_the_share() {
        let short: Vec<f64> = (0..600).map(|i| f64::from(u8::from(i % 10 == 0 && i < 300))).collect();
        let measured = judge_mean(&short).unwrap();
        assert!((measured.value - 0.05).abs() < 1e-12);
        assert!(measured.lower < 0.05 && measured.upper > 0.05);
        let never = judge_mean(&[0.0; 200]).unwrap();
        assert!(never.value.abs() < 1e-12 && never.upper.abs() < 1e-12);
    }
}
