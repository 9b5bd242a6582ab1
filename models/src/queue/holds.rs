//! Distribution of the time for which a server is held, from histograms or by assumption.

use rand::Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::QueueError;

/// Points that a bucket is divided into between its bounds.
const PARTS: u32 = 8;
/// Mean excess over the last finite bound of hold times above it, as a share of that bound.
const EXCESS: f64 = 0.5;
/// Points of a distribution that is given by a formula.
const POINTS: u32 = 2_000;

/// Number of hold times between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldBucket {
    /// Lower bound, seconds.
    pub lower: f64,
    /// Upper bound, seconds; infinite for the last bucket of a histogram.
    pub upper: f64,
    /// Number of hold times, any scale.
    pub count: f64,
}

/// Distribution of hold times: a distribution function that is linear between its points.
#[derive(Debug, Clone, PartialEq)]
pub struct HoldTimes {
    /// Hold times in seconds, ascending.
    at: Vec<f64>,
    /// Share of the hold times up to each point; 0 at the first and 1 at the last.
    below: Vec<f64>,
    mean: f64,
}

impl HoldTimes {
    /// Creates the distribution of a histogram. Between the bounds of buckets the distribution function is the monotone
    /// cubic through them, over the logarithm of the time where the lower bound is above 0. Hold times above the last
    /// finite bound exceed it by an exponential time with half of the bound as its mean.
    ///
    /// `buckets`: ascending, without overlap; `mean`: the exact mean in seconds (sum ÷ count), to which all times are
    /// scaled if given.
    ///
    /// # Errors
    /// [`QueueError::NoHolds`], [`QueueError::Bucket`], and [`QueueError::Mean`] for a mean that no hold times in these
    /// buckets have.
    ///
    /// # Reference
    /// Fritsch & Carlson (1980), "Monotone piecewise cubic interpolation", with the harmonic slopes of Fritsch &
    /// Butland (1984).
    pub fn from_buckets(buckets: &[HoldBucket], mean: Option<f64>) -> Result<Self, QueueError> {
        let mut last = 0.0;
        for &HoldBucket { lower, upper, count } in buckets {
            if !(lower >= last && upper > lower && count >= 0.0 && count.is_finite()) {
                return Err(QueueError::Bucket { lower, upper, count });
            }
            last = upper;
        }
        let total: f64 = buckets.iter().map(|bucket| bucket.count).sum();
        if !(total > 0.0) {
            return Err(QueueError::NoHolds);
        }
        // Empty buckets at both ends would only flatten the curve.
        let first = buckets.iter().position(|bucket| bucket.count > 0.0).unwrap_or(0);
        let end = buckets.iter().rposition(|bucket| bucket.count > 0.0).map_or(buckets.len(), |idx| idx + 1);
        let used = &buckets[first..end];
        let shape = Curve::through(used, total);
        let mut points = shape.points();
        if let Some(open) = used.last().filter(|bucket| bucket.upper.is_infinite()) {
            let beyond = open.count / total;
            let scale = EXCESS * open.lower.max(f64::MIN_POSITIVE);
            points.extend((1..=PARTS * 2).map(|part| {
                let share = f64::from(part) / f64::from(PARTS * 2);
                // The last point stands for the rest of the tail: the mean of the last part.
                let rest = (1.0 - share).max(0.25 / f64::from(PARTS * 2));
                (open.lower - scale * rest.ln(), 1.0 - beyond * (1.0 - share))
            }));
        }
        let distribution = Self::from_points(points)?;
        let Some(mean) = mean else { return Ok(distribution) };
        let at = |bound: fn(&HoldBucket) -> f64| used.iter().map(|b| bound(b) * b.count).sum::<f64>() / total;
        let (from, to) = (at(|b| b.lower), at(|b| b.upper));
        // Sum and buckets are read at slightly different times.
        if !(mean > 0.9 * from && mean < 1.1 * to && mean > 0.0) {
            return Err(QueueError::Mean { mean, from, to });
        }
        Ok(distribution.scaled(mean / distribution.mean))
    }

    /// Creates a log-normal distribution with this mean in seconds and this coefficient of variation.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless both are positive.
    pub fn log_normal(mean: f64, variation: f64) -> Result<Self, QueueError> {
        for (name, value) in [("mean", mean), ("variation", variation)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(QueueError::Parameter { name, value });
            }
        }
        let sigma = (1.0 + variation * variation).ln().sqrt();
        let normal = Normal::standard();
        Self::from_quantiles(|p| (sigma * normal.inverse_cdf(p)).exp()).map(|shape| shape.scaled_to(mean))
    }

    /// Creates an exponential distribution with this mean in seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless it is positive.
    pub fn exponential(mean: f64) -> Result<Self, QueueError> {
        if !(mean > 0.0 && mean.is_finite()) {
            return Err(QueueError::Parameter { name: "mean", value: mean });
        }
        Self::from_quantiles(|p| -(1.0 - p).ln()).map(|shape| shape.scaled_to(mean))
    }

    /// Creates the distribution of a single hold time in seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless it is positive.
    pub fn constant(hold: f64) -> Result<Self, QueueError> {
        if !(hold > 0.0 && hold.is_finite()) {
            return Err(QueueError::Parameter { name: "hold", value: hold });
        }
        Self::from_points(vec![(hold, 0.0), (hold, 1.0)])
    }

    /// Creates a distribution from its quantile function. Points are denser in the upper tail.
    fn from_quantiles(quantile: impl Fn(f64) -> f64) -> Result<Self, QueueError> {
        let share = |i: u32| 1.0 - (1.0 - f64::from(i) / f64::from(POINTS)).powi(3);
        let inner = (1..POINTS).map(|i| (quantile(share(i)), share(i)));
        let first = (0.0_f64.max(quantile(f64::EPSILON)), 0.0);
        let last = (quantile(1.0 - (1.0 - share(POINTS - 1)) / 4.0), 1.0);
        Self::from_points(std::iter::once(first).chain(inner).chain([last]).collect())
    }

    /// Creates a distribution from points of its distribution function.
    fn from_points(points: Vec<(f64, f64)>) -> Result<Self, QueueError> {
        let (at, below): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
        let mut distribution = Self { at, below, mean: 0.0 };
        distribution.mean = distribution.parts().map(|(share, from, to)| share * f64::midpoint(from, to)).sum();
        if !(distribution.mean > 0.0 && distribution.mean.is_finite()) {
            return Err(QueueError::NoHolds);
        }
        Ok(distribution)
    }

    /// Returns share, start and end of each linear part.
    fn parts(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        self.at.windows(2).zip(self.below.windows(2)).map(|(at, below)| (below[1] - below[0], at[0], at[1]))
    }

    /// Returns the mean in seconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns the coefficient of variation: standard deviation ÷ mean.
    #[must_use]
    pub fn variation(&self) -> f64 {
        let square = |(share, from, to): (f64, f64, f64)| share * (from * from + from * to + to * to) / 3.0;
        let second: f64 = self.parts().map(square).sum();
        (second / (self.mean * self.mean) - 1.0).max(0.0).sqrt()
    }

    /// Returns ∫(1 − F)² ÷ ∫(1 − F), in (0, 1]: 1 for a constant, ½ for an exponential distribution. It says how much a
    /// batch of arrivals overlaps with itself in service.
    #[must_use]
    pub fn overlap(&self) -> f64 {
        let first = self.at.first().copied().unwrap_or(0.0);
        let squares = self.at.windows(2).zip(self.below.windows(2)).map(|(at, below)| {
            let (start, end) = (1.0 - below[0], 1.0 - below[1]);
            (at[1] - at[0]) * (start * start + start * end + end * end) / 3.0
        });
        ((first + squares.sum::<f64>()) / self.mean).clamp(f64::MIN_POSITIVE, 1.0)
    }

    /// Returns the quantile `p` in [0, 1], in seconds.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let p = p.clamp(0.0, 1.0);
        let idx = self.below.partition_point(|&share| share < p).clamp(1, self.below.len() - 1);
        let (low, high) = (self.below[idx - 1], self.below[idx]);
        let part = if high > low { ((p - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
        self.at[idx - 1] + part * (self.at[idx] - self.at[idx - 1])
    }

    /// Draws a hold time in seconds.
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        self.quantile(rng.random::<f64>())
    }

    /// Returns the distribution with all times multiplied by `factor`, which is positive.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let at = self.at.iter().map(|at| at * factor).collect();
        Self { at, below: self.below.clone(), mean: self.mean * factor }
    }

    fn scaled_to(&self, mean: f64) -> Self {
        self.scaled(mean / self.mean)
    }
}

/// Monotone cubic through the bounds of buckets.
struct Curve {
    /// Bounds, seconds.
    bounds: Vec<f64>,
    /// Share of the hold times up to each bound.
    shares: Vec<f64>,
}

impl Curve {
    /// Creates the curve through the finite bounds.
    fn through(buckets: &[HoldBucket], total: f64) -> Self {
        let mut curve = Self { bounds: Vec::new(), shares: Vec::new() };
        let mut sum = 0.0;
        for bucket in buckets.iter().filter(|bucket| bucket.upper.is_finite()) {
            if curve.bounds.last().is_none_or(|last| *last < bucket.lower) {
                curve.bounds.push(bucket.lower);
                curve.shares.push(sum);
            }
            sum += bucket.count / total;
            curve.bounds.push(bucket.upper);
            curve.shares.push(sum);
        }
        if curve.bounds.is_empty() {
            // Only the open bucket has hold times.
            curve.bounds.push(buckets[0].lower);
            curve.shares.push(0.0);
        }
        curve
    }

    /// Returns the points of the curve, several for each bucket.
    fn points(&self) -> Vec<(f64, f64)> {
        // Time 0 has no logarithm; the first part is then linear in time.
        let x: Vec<f64> = self.bounds.iter().map(|&at| if at > 0.0 { at.ln() } else { f64::NEG_INFINITY }).collect();
        let rise = |i: usize| (self.shares[i + 1] - self.shares[i]) / (x[i + 1] - x[i]);
        let parts = x.len() - 1;
        let slope = |i: usize| {
            // One-sided at the ends and beside time 0: flat where the density begins or ends.
            if i == 0 || i == parts || !x[i - 1].is_finite() {
                return if i > 0 && i < parts { rise(i) } else { 0.0 };
            }
            let (left, right) = (rise(i - 1), rise(i));
            if left * right > 0.0 { 2.0 * left * right / (left + right) } else { 0.0 }
        };
        let mut points = vec![(self.bounds[0], self.shares[0])];
        for i in 0..parts {
            let (from, to) = (self.shares[i], self.shares[i + 1]);
            for part in 1..=PARTS {
                let t = f64::from(part) / f64::from(PARTS);
                if !x[i].is_finite() || to <= from {
                    points.push((self.bounds[i] + t * (self.bounds[i + 1] - self.bounds[i]), from + t * (to - from)));
                    continue;
                }
                let width = x[i + 1] - x[i];
                // Hermite's cubic; limited to the bucket's share, since slopes at the ends are estimates.
                let limit = 3.0 * (to - from) / width;
                let (start, end) = (slope(i).min(limit), slope(i + 1).min(limit));
                let (square, cube) = (t * t, t * t * t);
                let share = (2.0 * cube - 3.0 * square + 1.0) * from
                    + (cube - 2.0 * square + t) * width * start
                    + (3.0 * square - 2.0 * cube) * to
                    + (cube - square) * width * end;
                let at = if part == PARTS { self.bounds[i + 1] } else { (x[i] + t * width).exp() };
                points.push((at, share.clamp(from, to)));
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    /// Buckets of the Prometheus client for Python, seconds.
    const BOUNDS: [f64; 18] =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0];

    fn bucketed(distribution: impl Fn(f64) -> f64) -> Vec<HoldBucket> {
        let lower = std::iter::once(0.0).chain(BOUNDS);
        let upper = BOUNDS.into_iter().chain([f64::INFINITY]);
        let below = |at: f64| if at.is_finite() { distribution(at) } else { 1.0 };
        lower.zip(upper).map(|(lower, upper)| HoldBucket { lower, upper, count: below(upper) - below(lower) }).collect()
    }

    #[test]
    fn coarse_buckets_keep_mean_and_variation() {
        // Exponential with a mean of 20 ms: variation 1, p95 at 3 means.
        let buckets = bucketed(|at| 1.0 - (-at / 0.02).exp());
        let holds = HoldTimes::from_buckets(&buckets, Some(0.02)).unwrap();
        assert!((holds.mean() - 0.02).abs() < 1e-12);
        assert!((holds.variation() - 1.0).abs() < 0.03, "{}", holds.variation());
        assert!((holds.quantile(0.95) - 0.0599).abs() < 0.002, "{}", holds.quantile(0.95));
        assert!((holds.overlap() - 0.5).abs() < 0.02, "{}", holds.overlap());
        // Without the sum the mean is interpolated.
        let holds = HoldTimes::from_buckets(&buckets, None).unwrap();
        assert!((holds.mean() - 0.02).abs() < 0.0006, "{}", holds.mean());
        // Log-normal with a variation of 1.5.
        let wide = HoldTimes::log_normal(0.02, 1.5).unwrap();
        assert!((wide.mean() - 0.02).abs() < 1e-9 && (wide.variation() - 1.5).abs() < 0.05, "{}", wide.variation());
        let normal = Normal::standard();
        let (mu, sigma) = ((0.02_f64).ln() - 0.5 * 3.25_f64.ln(), 3.25_f64.ln().sqrt());
        let buckets = bucketed(|at| if at > 0.0 { normal.cdf((at.ln() - mu) / sigma) } else { 0.0 });
        let holds = HoldTimes::from_buckets(&buckets, Some(0.02)).unwrap();
        assert!((holds.variation() - 1.5).abs() < 0.1, "{}", holds.variation());
    }

    #[test]
    fn a_mean_outside_of_the_buckets_is_refused() {
        let buckets = [HoldBucket { lower: 0.01, upper: 0.02, count: 10.0 }];
        assert!(HoldTimes::from_buckets(&buckets, Some(0.015)).is_ok());
        for mean in [15.0, 0.000_015, f64::NAN, 0.0] {
            assert!(matches!(HoldTimes::from_buckets(&buckets, Some(mean)), Err(QueueError::Mean { .. })), "{mean}");
        }
        assert_eq!(HoldTimes::from_buckets(&[], None), Err(QueueError::NoHolds));
        let empty = [HoldBucket { count: 0.0, ..buckets[0] }];
        assert_eq!(HoldTimes::from_buckets(&empty, None), Err(QueueError::NoHolds));
        let twice = [buckets[0], buckets[0]];
        assert!(matches!(HoldTimes::from_buckets(&twice, None), Err(QueueError::Bucket { .. })));
    }

    #[test]
    fn holds_beyond_the_last_bound_have_a_tail() {
        let open = [HoldBucket { lower: 10.0, upper: f64::INFINITY, count: 1.0 }];
        let holds = HoldTimes::from_buckets(&open, None).unwrap();
        assert!(holds.quantile(0.0) >= 10.0 && (holds.mean() - 15.0).abs() < 0.3, "{}", holds.mean());
    }

    #[test]
    fn formulas_have_their_moments() {
        let constant = HoldTimes::constant(0.3).unwrap();
        assert!((constant.mean() - 0.3).abs() < 1e-12 && constant.variation() < 1e-6);
        assert!((constant.overlap() - 1.0).abs() < 1e-12 && (constant.quantile(0.5) - 0.3).abs() < 1e-12);
        let exponential = HoldTimes::exponential(2.0).unwrap();
        assert!((exponential.variation() - 1.0).abs() < 0.01, "{}", exponential.variation());
        assert!((exponential.quantile(0.5) - 2.0 * std::f64::consts::LN_2).abs() < 0.01);
        assert!(HoldTimes::constant(0.0).is_err() && HoldTimes::log_normal(1.0, f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn samples_stay_in_their_buckets_and_quantiles_ascend(counts in proptest::collection::vec(0.0..100.0_f64, 18), seed: u64) {
            prop_assume!(counts.iter().sum::<f64>() > 0.0);
            let lower = std::iter::once(0.0).chain(BOUNDS);
            let buckets: Vec<HoldBucket> = lower.zip(BOUNDS).zip(&counts)
                .map(|((lower, upper), &count)| HoldBucket { lower, upper, count }).collect();
            let holds = HoldTimes::from_buckets(&buckets, None).unwrap();
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let total: f64 = counts.iter().sum();
            for _ in 0..20 {
                let at = holds.sample(&mut rng);
                let inside = |b: &&HoldBucket| b.lower <= at && at <= b.upper && b.count > 0.0;
                prop_assert!(buckets.iter().find(inside).is_some(), "{at}");
            }
            let mut sum = 0.0;
            for bucket in &buckets {
                sum += bucket.count / total;
                // The share up to a bound is that of the histogram.
                prop_assert!(holds.quantile((sum - 1e-9).max(0.0)) <= bucket.upper * (1.0 + 1e-9));
            }
            let quantiles: Vec<f64> = (0..=50).map(|i| holds.quantile(f64::from(i) / 50.0)).collect();
            prop_assert!(quantiles.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}
