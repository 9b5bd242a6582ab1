//! Compares the times of rounds before a change with those after it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Least change of the time that counts, as a share: less is noise of a copy.
pub const LEAST_EFFECT: f64 = 0.05;
/// Level of the interval.
const LEVEL: f64 = 0.8;
/// Resampled sets of rounds.
const RESAMPLES: usize = 2_000;
/// Least number of rounds of each side.
const LEAST_ROUNDS: usize = 3;
/// Largest two-sided probability of the ranks of a change that counts.
const LARGEST_P: f64 = 0.2;

/// What a comparison shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The time after is less, by more than [`LEAST_EFFECT`].
    Faster,
    /// The times differ by less than [`LEAST_EFFECT`].
    Same,
    /// The time after is more, by more than [`LEAST_EFFECT`].
    Slower,
    /// The interval allows more than one of them, or there are too few rounds.
    Unclear,
}

impl Outcome {
    /// Returns the name, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Same => "same",
            Self::Slower => "slower",
            Self::Unclear => "unclear",
        }
    }
}

/// Times before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Median time of the rounds before, in milliseconds.
    pub before_ms: f64,
    /// Median time of the rounds after, in milliseconds.
    pub after_ms: f64,
    /// Time after as a share of the time before.
    pub ratio: f64,
    /// Lower end of the ratio at a level of 80 %.
    pub lower: f64,
    /// Upper end of the ratio at a level of 80 %.
    pub upper: f64,
    /// Two-sided probability of such ranks if nothing changed (Mann–Whitney).
    pub p: f64,
    /// Rounds of each side.
    pub rounds: usize,
    /// What it shows.
    pub outcome: Outcome,
}

/// Compares the mean times of rounds, in milliseconds. Whole rounds are resampled, since executions of one round share the
/// state of caches and of the machine. None without a round of each side.
///
/// # Reference
/// Efron & Tibshirani (1993), percentile bootstrap; Mann & Whitney (1947).
#[must_use]
pub fn compare(before: &[f64], after: &[f64], seed: u64) -> Option<Comparison> {
    let (before_ms, after_ms) = (median(before)?, median(after)?);
    let ratio = share(after_ms, before_ms);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let sample = |times: &[f64], rng: &mut ChaCha8Rng| -> Option<f64> {
            let drawn: Vec<f64> =
                (0..times.len()).filter_map(|_| times.get(rng.random_range(0..times.len())).copied()).collect();
            median(&drawn)
        };
        let (a, b) = (sample(before, &mut rng)?, sample(after, &mut rng)?);
        ratios.push(share(b, a));
    }
    ratios.sort_by(f64::total_cmp);
    let at = |level: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below RESAMPLES")]
        let idx = (level * (RESAMPLES - 1) as f64).round() as usize;
        ratios.get(idx).copied().unwrap_or(ratio)
    };
    let (lower, upper) = (at((1.0 - LEVEL) / 2.0), at((1.0 + LEVEL) / 2.0));
    let p = rank_probability(before, after);
    let rounds = before.len().min(after.len());
    let outcome = if rounds < LEAST_ROUNDS {
        Outcome::Unclear
    } else if upper < 1.0 - LEAST_EFFECT && p < LARGEST_P {
        Outcome::Faster
    } else if lower > 1.0 + LEAST_EFFECT && p < LARGEST_P {
        Outcome::Slower
    } else if lower >= 1.0 - LEAST_EFFECT && upper <= 1.0 + LEAST_EFFECT {
        Outcome::Same
    } else {
        Outcome::Unclear
    };
    Some(Comparison { before_ms, after_ms, ratio, lower, upper, p, rounds, outcome })
}

/// Returns the median; none without a value.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some(sorted.get(half - 1)?.midpoint(upper)) }
}

/// Returns `a / b`, and 1 when both are 0.
fn share(a: f64, b: f64) -> f64 {
    if b > 0.0 {
        a / b
    } else if a > 0.0 {
        f64::MAX
    } else {
        1.0
    }
}

/// Returns the two-sided probability of the rank sum by its normal approximation, with a correction for continuity.
fn rank_probability(a: &[f64], b: &[f64]) -> f64 {
    let wins = |x: &f64| {
        b.iter().map(|y| if x > y { 1.0 } else { f64::from(u8::from(x.total_cmp(y).is_eq())) / 2.0 }).sum::<f64>()
    };
    let u: f64 = a.iter().map(wins).sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let spread = (n * m * (n + m + 1.0) / 12.0).sqrt();
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / spread;
    two_sided(z)
}

/// Returns the probability of a normal deviate beyond `±z`.
///
/// # Reference
/// Abramowitz & Stegun (1964), 7.1.26; absolute error below 1.5e-7.
fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let sum =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    (sum * (-x * x).exp()).clamp(0.0, 1.0)
}
