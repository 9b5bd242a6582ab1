//! Ratios with standard errors and intervals, for hit ratios and stale shares.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::Level;

/// A lower and an upper bound, `lower ≤ upper`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

/// A ratio of sums with its standard error, estimated from independent clusters.
///
/// ```
/// use almanac_models::{Level, ttl::RatioEstimate};
/// let keys = [(9.0, 10.0), (45.0, 50.0), (80.0, 90.0), (18.0, 20.0)];
/// let ratio = RatioEstimate::from_clusters(&keys).unwrap();
/// let bounds = ratio.interval(Level::try_new(0.8).unwrap(), 1.0);
/// assert!(bounds.lower < ratio.value && ratio.value < bounds.upper);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioEstimate {
    /// Sum of numerators over sum of denominators.
    pub value: f64,
    /// Standard error of `value`.
    pub standard_error: f64,
}

impl RatioEstimate {
    /// Estimates the ratio over clusters of `(numerator, denominator)`; `None` when the denominators sum to 0.
    ///
    /// # Reference
    /// Cochran (1977), "Sampling Techniques", §6.3: the linearised variance of a ratio. For a
    /// single cluster, the binomial error is used instead.
    #[must_use]
    pub fn from_clusters(clusters: &[(f64, f64)]) -> Option<Self> {
        let (value, denominator) = ratio(clusters)?;
        let squares: f64 = clusters.iter().map(|(num, den)| (num - value * den).powi(2)).sum();
        let n = count(clusters);
        let variance = if n > 1.0 { squares * n / (n - 1.0) } else { (value * (1.0 - value)).abs() * denominator };
        Some(Self { value, standard_error: variance.sqrt() / denominator })
    }

    /// Estimates the ratio over consecutive blocks of time; `None` when the denominators sum to 0.
    ///
    /// The variance comes from differences of neighbours, so that a slow change over the blocks, such as
    /// the warm-up of a cache, does not count as noise. With fewer than three blocks it is that of clusters.
    ///
    /// # Reference
    /// von Neumann (1941), "Distribution of the ratio of the mean square successive difference to
    /// the variance"; Wolter (2007), "Introduction to Variance Estimation", ch. 8 (v₂).
    #[must_use]
    pub fn from_blocks(blocks: &[(f64, f64)]) -> Option<Self> {
        if blocks.len() < 3 {
            return Self::from_clusters(blocks);
        }
        let (value, denominator) = ratio(blocks)?;
        let excess = |(num, den): (f64, f64)| num - value * den;
        let squares: f64 = blocks.windows(2).map(|pair| (excess(pair[1]) - excess(pair[0])).powi(2)).sum();
        let n = count(blocks);
        Some(Self { value, standard_error: (squares * n / (2.0 * (n - 1.0))).sqrt() / denominator })
    }

    /// Estimates the ratio `numerator/denominator` of sums over independent clusters from their second
    /// moments: sums of squared numerators, of products, and of squared denominators. `None` when the
    /// denominator is 0.
    #[must_use]
    pub fn from_moments(
        (numerator, denominator): (f64, f64),
        (squared, cross, below_squared): (f64, f64, f64),
    ) -> Option<Self> {
        let value = numerator / denominator;
        let squares = (squared - 2.0 * value * cross + value * value * below_squared).max(0.0);
        (denominator > 0.0).then(|| Self { value, standard_error: squares.sqrt() / denominator })
    }

    /// Returns the same value with its standard error multiplied by `factor`.
    #[must_use]
    pub fn widened(self, factor: f64) -> Self {
        Self { standard_error: self.standard_error * factor, ..self }
    }

    /// Shrinks this estimate towards a model's value: fully when they differ by at most the standard error, less the
    /// more they differ. The standard error is unchanged.
    ///
    /// # Reference
    /// James & Stein (1961), the positive part of Efron & Morris (1973), for one difference.
    #[must_use]
    pub fn shrunk_towards(self, model: f64) -> Self {
        let apart = self.value - model;
        let own = (1.0 - (self.standard_error / apart).powi(2)).max(0.0);
        // NaN is 0/0: no difference and no error.
        let own = if own.is_nan() { 0.0 } else { own };
        Self { value: model + own * apart, ..self }
    }

    /// Returns the same value with the larger of the two standard errors.
    #[must_use]
    pub fn or_wider(self, other: Self) -> Self {
        Self { value: self.value, standard_error: self.standard_error.max(other.standard_error) }
    }

    /// Returns the normal interval at `level`, with the standard error multiplied by `widen`.
    #[must_use]
    pub fn interval(&self, level: Level, widen: f64) -> Bounds {
        let reach = two_sided_quantile(level) * self.standard_error * widen;
        Bounds { lower: self.value - reach, upper: self.value + reach }
    }
}

fn ratio(clusters: &[(f64, f64)]) -> Option<(f64, f64)> {
    let numerator: f64 = clusters.iter().map(|cluster| cluster.0).sum();
    let denominator: f64 = clusters.iter().map(|cluster| cluster.1).sum();
    (denominator > 0.0).then(|| (numerator / denominator, denominator))
}

#[expect(clippy::cast_precision_loss, reason = "clusters are far fewer than 2^53")]
fn count(clusters: &[(f64, f64)]) -> f64 {
    clusters.len() as f64
}

fn two_sided_quantile(level: Level) -> f64 {
    Normal::standard().inverse_cdf(0.5 + level.fraction() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn worked_by_hand() {
        // Residuals of 20/40 = 0.5: 1, −1; variance 2·2/1 = 4; error 2/40.
        let ratio = RatioEstimate::from_clusters(&[(11.0, 20.0), (9.0, 20.0)]).unwrap();
        assert!((ratio.value - 0.5).abs() < 1e-15 && (ratio.standard_error - 0.05).abs() < 1e-15);
        // z at 80 % is 1.2815515655446004 (Abramowitz & Stegun, table 26.5).
        let bounds = ratio.interval(Level::try_new(0.8).unwrap(), 2.0);
        assert!((bounds.upper - 0.5 - 2.0 * 1.281_551_565_544_600_4 * 0.05).abs() < 1e-9);
        assert!(RatioEstimate::from_clusters(&[]).is_none() && RatioEstimate::from_blocks(&[(0.0, 0.0); 4]).is_none());
    }

    #[test]
    fn a_slow_trend_does_not_count_as_noise() {
        let blocks: Vec<(f64, f64)> = (0..20).map(|block| (50.0 + f64::from(block), 100.0)).collect();
        let trend = RatioEstimate::from_blocks(&blocks).unwrap();
        let naive = RatioEstimate::from_clusters(&blocks).unwrap();
        assert!(trend.standard_error < naive.standard_error / 5.0);
    }

    #[test]
    fn intervals_have_nominal_coverage() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let level = Level::try_new(0.8).unwrap();
        let mut covered = 0;
        for _ in 0..1000 {
            let clusters: Vec<(f64, f64)> = (0..60)
                .map(|_| {
                    let gets = 1 + rng.random_range(0..40);
                    let hits = (0..gets).filter(|_| rng.random::<f64>() < 0.3).count();
                    (f64::from(u32::try_from(hits).unwrap()), f64::from(gets))
                })
                .collect();
            let bounds = RatioEstimate::from_clusters(&clusters).unwrap().interval(level, 1.0);
            covered += i32::from(bounds.lower <= 0.3 && 0.3 <= bounds.upper);
        }
        // The binomial error of 1000 draws at 0.8 is 0.013: three of them, plus the approximation error of 60 clusters.
        assert!((750..=850).contains(&covered), "{covered}");
    }

    proptest! {
        #[test]
        fn scale_does_not_matter(clusters in prop::collection::vec((0.0_f64..10.0, 0.1_f64..10.0), 2..20), scale in 0.1_f64..10.0) {
            let scaled: Vec<(f64, f64)> = clusters.iter().map(|(num, den)| (num * scale, den * scale)).collect();
            let (a, b) = (RatioEstimate::from_clusters(&clusters).unwrap(), RatioEstimate::from_clusters(&scaled).unwrap());
            prop_assert!((a.value - b.value).abs() < 1e-9 && (a.standard_error - b.standard_error).abs() < 1e-9);
        }
    }
}
