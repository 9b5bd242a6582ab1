//! Finds the lag at which two aligned series are most correlated.

use statrs::distribution::{ContinuousCDF, Normal};

/// Smallest number of pairs of values for a correlation.
const POINTS_MIN: usize = 60;
/// Probability that the interval misses the true coefficient.
const MISS: f64 = 0.05;
/// Smallest effective sample size; at 3 the variance of Fisher's transform is infinite.
const EFFECTIVE_MIN: f64 = 4.0;

/// Correlation of two series at the lag where it is strongest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaggedCorrelation {
    /// Steps by which the second series follows the first; negative when it leads.
    pub lag: i64,
    /// Pearson's coefficient at that lag, in [-1, 1].
    pub coefficient: f64,
    /// Lower end of its 95 % interval.
    pub lower: f64,
    /// Upper end of its 95 % interval.
    pub upper: f64,
    /// Number of pairs of values in it.
    pub points: usize,
}

/// Returns the correlation of `a` and `b` at the lag between `-max_lag` and `max_lag` where its absolute value is
/// largest.
///
/// `a`, `b`: equal length, aligned, evenly spaced; NaN where missing. `None` for unequal lengths, fewer than 60 pairs
/// of values, a constant series, or a coefficient below `least` in absolute value. The last saves the interval, which
/// costs more than the coefficients.
///
/// The interval is Fisher's, with the effective sample size of two autocorrelated series,
/// `n / (1 + 2 Σ ρ_a(k) ρ_b(k))`. Its error probability is divided by the number of lags searched.
///
/// ```
/// use almanac_models::correlation::lagged_correlation;
///
/// let cause: Vec<f64> = (0..300).map(|i| f64::from(i * 7919 % 101)).collect();
/// let effect: Vec<f64> = (0..300).map(|i| if i < 2 { 0.0 } else { 3.0 * cause[i - 2] + 1.0 }).collect();
/// let found = lagged_correlation(&cause, &effect, 5, 0.5).expect("long enough");
/// assert_eq!(found.lag, 2);
/// assert!(found.coefficient > 0.99 && found.lower > 0.9);
/// ```
///
/// # Reference
/// Bartlett (1935), "Some aspects of the time-correlation problem in regard to tests of significance"; Fisher (1921).
#[must_use]
pub fn lagged_correlation(a: &[f64], b: &[f64], max_lag: usize, least: f64) -> Option<LaggedCorrelation> {
    if a.len() != b.len() {
        return None;
    }
    let (a, b) = (standardised(a)?, standardised(b)?);
    let most = max_lag.min(a.len().saturating_sub(POINTS_MIN));
    let mut best: Option<(i64, f64, usize)> = None;
    for shift in 0..=most {
        let lag = i64::try_from(shift).ok()?;
        // `b` follows `a`, then `a` follows `b`.
        for (lag, first, second) in [(lag, &a[..], &b[shift..]), (-lag, &a[shift..], &b[..])] {
            if let Some((coefficient, points)) = pearson(first, second)
                && best.is_none_or(|(_, found, _)| coefficient.abs() > found.abs())
            {
                best = Some((lag, coefficient, points));
            }
        }
    }
    let (lag, coefficient, points) = best.filter(|(_, coefficient, _)| coefficient.abs() >= least)?;
    let effective = effective_size(&a, &b, points);
    // Bonferroni over the lags: the largest of several coefficients is biased away from zero.
    let searched = f64::from(u32::try_from(2 * most + 1).unwrap_or(u32::MAX));
    let quantile = Normal::standard().inverse_cdf(1.0 - MISS / (2.0 * searched));
    let half_width = quantile / (effective - 3.0).sqrt();
    let z = coefficient.clamp(-0.999_999, 0.999_999).atanh();
    Some(LaggedCorrelation { lag, coefficient, lower: (z - half_width).tanh(), upper: (z + half_width).tanh(), points })
}

/// Scales values to mean 0 and variance 1, keeping NaN; `None` for too few values or a constant series.
fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if known.len() < POINTS_MIN {
        return None;
    }
    let n = known.len() as f64;
    let mean = known.iter().sum::<f64>() / n;
    let variance = known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    // Rounding alone makes the variance of a constant positive.
    if !(variance.sqrt() > 1e-9 * mean.abs() && variance.is_finite() && variance > 0.0) {
        return None;
    }
    let scale = variance.sqrt();
    Some(values.iter().map(|value| if value.is_finite() { (value - mean) / scale } else { f64::NAN }).collect())
}

/// Returns Pearson's coefficient over the complete pairs, and their number.
fn pearson(a: &[f64], b: &[f64]) -> Option<(f64, usize)> {
    let pairs = || a.iter().zip(b).filter(|(x, y)| x.is_finite() && y.is_finite());
    let points = pairs().count();
    if points < POINTS_MIN {
        return None;
    }
    let n = points as f64;
    let (mean_a, mean_b) = pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / n, y + b / n));
    let (mut product, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (x, y) in pairs() {
        product += (x - mean_a) * (y - mean_b);
        square_a += (x - mean_a).powi(2);
        square_b += (y - mean_b).powi(2);
    }
    let scale = (square_a * square_b).sqrt();
    (scale > 0.0).then(|| ((product / scale).clamp(-1.0, 1.0), points))
}

/// Returns the number of independent pairs with the same information as `points` autocorrelated ones.
fn effective_size(a: &[f64], b: &[f64], points: usize) -> f64 {
    let n = points as f64;
    let furthest = (points / 4).min(200);
    let mut sum = 0.0;
    for lag in 1..=furthest {
        let (Some((of_a, _)), Some((of_b, _))) = (pearson(a, &a[lag..]), pearson(b, &b[lag..])) else { break };
        let product = of_a * of_b;
        // From the first product that is not positive on, the estimates are noise.
        if product <= 0.0 {
            break;
        }
        sum += product;
    }
    (n / (1.0 + 2.0 * sum)).clamp(EFFECTIVE_MIN, n)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn noise(seed: u64, n: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| rng.random::<f64>() - 0.5).collect()
    }

    /// A first-order autoregression.
    fn wandering(seed: u64, n: usize, memory: f64) -> Vec<f64> {
        let mut last = 0.0;
        noise(seed, n)
            .into_iter()
            .map(|shock| {
                last = memory * last + shock;
                last
            })
            .collect()
    }

    #[test]
    fn the_lag_and_its_sign_are_found() {
        let cause = noise(1, 500);
        for lag in [0_i64, 1, 4, -3] {
            let effect: Vec<f64> = (0..500_i64)
                .map(|i| usize::try_from(i - lag).ok().and_then(|i| cause.get(i)).copied().unwrap_or(f64::NAN))
                .collect();
            let found = lagged_correlation(&cause, &effect, 6, 0.0).unwrap();
            assert_eq!(found.lag, lag);
            assert!(found.coefficient > 0.99, "{found:?}");
            let opposite: Vec<f64> = effect.iter().map(|value| -value).collect();
            assert!(lagged_correlation(&cause, &opposite, 6, 0.0).unwrap().upper < -0.9);
        }
    }

    #[test]
    fn independent_autocorrelated_series_are_not_called_correlated() {
        for memory in [0.0, 0.9, 0.98] {
            let called = (0..200)
                .filter(|seed| {
                    let (a, b) = (wandering(2 * seed, 600, memory), wandering(2 * seed + 1, 600, memory));
                    lagged_correlation(&a, &b, 5, 0.0).is_some_and(|found| found.lower > 0.0 || found.upper < 0.0)
                })
                .count();
            // 5 % are expected of an exact interval; this one is approximate.
            assert!(called <= 20, "{called} of 200 with memory {memory}");
        }
    }

    #[test]
    fn too_little_or_no_variation_gives_nothing() {
        let nan = f64::NAN;
        assert_eq!(lagged_correlation(&noise(1, 59), &noise(2, 59), 3, 0.0), None);
        assert_eq!(lagged_correlation(&[5.0; 100], &noise(2, 100), 3, 0.0), None);
        assert_eq!(lagged_correlation(&[0.1; 100], &noise(2, 100), 3, 0.0), None);
        assert_eq!(lagged_correlation(&noise(1, 100), &noise(2, 99), 3, 0.0), None);
        assert_eq!(lagged_correlation(&[nan; 100], &[nan; 100], 3, 0.0), None);
        assert_eq!(lagged_correlation(&[], &[], 3, 0.0), None);
        assert_eq!(lagged_correlation(&noise(4, 300), &noise(5, 300), 3, 0.9), None);
        let gaps: Vec<f64> = noise(3, 300).iter().enumerate().map(|(i, v)| if i % 3 == 0 { nan } else { *v }).collect();
        assert_eq!(lagged_correlation(&gaps, &gaps, 2, 0.0).unwrap().lag, 0);
    }
}
