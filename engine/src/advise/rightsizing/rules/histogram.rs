//! Decaying histogram of usage, with exponential buckets. Used by `covering` and `vpa`.

/// Weights of values by size, with exponentially decaying weight of old values. Each bucket is wider than the one
/// before by the same share.
///
/// # Reference
/// The histogram of Kubernetes' vertical pod autoscaler (its README, "recommender"): buckets that grow by 5 %, weights
/// that halve every 24 hours.
#[derive(Debug, Clone)]
pub struct DecayingHistogram {
    options: HistogramOptions,
    /// Weights per bucket, relative to a value at the reference time.
    weights: Vec<f64>,
    total: f64,
    reference_ms: Option<i64>,
}

/// Bucket widths and decay of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistogramOptions {
    /// Width of the first bucket, which starts at 0; positive.
    pub first_bucket: f64,
    /// Relative growth of each bucket over the one before; positive.
    pub growth: f64,
    /// Time after which a value has half its weight, milliseconds.
    pub half_life_ms: i64,
}

/// Maximum number of buckets. At 1 % growth they reach 10¹⁵ times the width of the first bucket.
const BUCKETS: usize = 4_000;
/// Half-lives after which the weights are rescaled to a new reference time, before they overflow.
const HALF_LIVES: f64 = 100.0;

impl DecayingHistogram {
    /// Creates an empty histogram.
    #[must_use]
    pub fn new(options: HistogramOptions) -> Self {
        Self { options, weights: Vec::new(), total: 0.0, reference_ms: None }
    }

    /// Adds a value at `at_ms`. A negative value counts as 0; NaN is ignored.
    pub fn add(&mut self, at_ms: i64, value: f64) {
        let bucket = self.bucket(value);
        let (Some(bucket), Some(weight)) = (bucket, self.weight(at_ms)) else { return };
        if self.weights.len() <= bucket {
            self.weights.resize(bucket + 1, 0.0);
        }
        self.weights[bucket] += weight;
        self.total += weight;
    }

    /// Returns the upper end of the bucket in which the share `p` of the weight is reached. None while empty.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<f64> {
        if self.total <= 0.0 {
            return None;
        }
        let mut below = 0.0;
        let reached = self.weights.iter().position(|weight| {
            below += weight;
            *weight > 0.0 && below >= p * self.total
        });
        // Rounding may leave the sum just below the total.
        let bucket = reached.or_else(|| self.weights.iter().rposition(|weight| *weight > 0.0))?;
        Some(self.upper_end(bucket))
    }

    /// Returns the share of the weight in each bucket, up to the last non-empty one.
    pub(super) fn shares(&self) -> impl Iterator<Item = f64> {
        self.weights.iter().map(|weight| weight / self.total)
    }

    /// Returns the weight of a value at `at_ms`: new values gain weight instead of old ones losing it.
    fn weight(&mut self, at_ms: i64) -> Option<f64> {
        let reference_ms = *self.reference_ms.get_or_insert(at_ms);
        let mut half_lives = ms_to_f64(at_ms - reference_ms) / ms_to_f64(self.options.half_life_ms.max(1));
        if half_lives > HALF_LIVES {
            let factor = (-half_lives).exp2();
            self.weights.iter_mut().for_each(|weight| *weight *= factor);
            self.total *= factor;
            self.reference_ms = Some(at_ms);
            half_lives = 0.0;
        }
        Some(half_lives.exp2()).filter(|weight| weight.is_finite())
    }

    fn bucket(&self, value: f64) -> Option<usize> {
        let HistogramOptions { first_bucket, growth, .. } = self.options;
        if value.is_nan() {
            return None;
        }
        // Bucket k ends at first·(g^(k+1) − 1)/(g − 1), g = 1 + growth.
        let place = (value.max(0.0) * growth / first_bucket).ln_1p() / growth.ln_1p();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        let bucket = place as usize;
        Some(bucket.min(BUCKETS - 1))
    }

    /// Returns the upper end of a bucket.
    pub(super) fn upper_end(&self, bucket: usize) -> f64 {
        let HistogramOptions { first_bucket, growth, .. } = self.options;
        let place = f64::from(u32::try_from(bucket + 1).unwrap_or(u32::MAX));
        first_bucket * (place * growth.ln_1p()).exp_m1() / growth
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
pub(in crate::advise::rightsizing) fn ms_to_f64(millis: i64) -> f64 {
    millis as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: HistogramOptions = HistogramOptions { first_bucket: 0.01, growth: 0.05, half_life_ms: 1_000 };

    #[test]
    fn quantiles_are_upper_ends_of_buckets() {
        let mut histogram = DecayingHistogram::new(OPTIONS);
        assert_eq!(histogram.quantile(0.5), None);
        (1..=100).for_each(|i| histogram.add(0, f64::from(i)));
        for (p, value) in [(0.1, 10.0), (0.5, 50.0), (0.9, 90.0), (1.0, 100.0)] {
            let quantile = histogram.quantile(p).unwrap();
            assert!(quantile >= value && quantile <= 1.06 * value, "{p}: {quantile}");
        }
        histogram.add(0, f64::NAN);
        histogram.add(0, -3.0);
        assert!((histogram.quantile(0.0).unwrap() - 0.01).abs() < 1e-12, "below 0 is in the first bucket");
        histogram.add(0, f64::INFINITY);
        assert!(histogram.quantile(1.0).unwrap().is_finite());
    }

    #[test]
    fn a_value_counts_half_after_a_half_life() {
        let mut histogram = DecayingHistogram::new(OPTIONS);
        histogram.add(0, 1.0);
        histogram.add(1_000, 5.0);
        // One third and two thirds of the weight.
        assert!(histogram.quantile(0.33).unwrap() < 1.1 && histogram.quantile(0.34).unwrap() > 4.9);
        histogram.add(300_000, 2.0);
        assert!((1.9..2.2).contains(&histogram.quantile(0.001).unwrap()), "the old is forgotten");
    }
}
