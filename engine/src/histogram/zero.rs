//! Zero buckets of different width: widens the narrower one.

use super::{Histogram, arithmetic::reduced};

impl Histogram {
    /// Returns the count of a zero bucket of at least this width, and its width: a bucket that it would cut is taken
    /// whole.
    pub(super) fn wider_zero(&self, threshold: f64) -> (f64, f64) {
        let mut threshold = threshold;
        'wider: loop {
            let mut count = self.zero_count;
            for &(index, observations) in &self.positive {
                let bucket = self.positive_bucket(index, observations);
                if bucket.lower >= threshold {
                    break;
                }
                count += observations;
                if bucket.upper > threshold {
                    threshold = bucket.upper;
                    break;
                }
            }
            for &(index, observations) in &self.negative {
                let bucket = self.negative_bucket(index, observations);
                if bucket.upper <= -threshold {
                    break;
                }
                count += observations;
                if bucket.lower < -threshold {
                    threshold = -bucket.lower;
                    continue 'wider;
                }
            }
            return (count, threshold);
        }
    }

    /// Widens the zero bucket of this histogram to that of `other`, and returns the count of the zero bucket that
    /// `other` has at the common width.
    #[expect(clippy::float_cmp, reason = "thresholds are equal or not")]
    pub(super) fn reconcile_zero(&mut self, other: &Self) -> f64 {
        let (mut count, mut threshold) = (other.zero_count, other.zero_threshold);
        while threshold != self.zero_threshold {
            // Each turn widens at least one of them to a bound of a bucket, of which there are finitely many. A NaN would
            // not end.
            if self.zero_threshold > threshold {
                (count, threshold) = other.wider_zero(self.zero_threshold);
            } else if threshold > self.zero_threshold {
                (self.zero_count, self.zero_threshold) = self.wider_zero(threshold);
                let width = self.zero_threshold;
                let schema = self.schema;
                let beyond = |index: i32| super::bound(index.saturating_sub(1), schema, &[]) >= width;
                self.positive.retain(|bucket| beyond(bucket.0));
                self.negative.retain(|bucket| beyond(bucket.0));
            } else {
                break;
            }
        }
        count
    }

    /// Returns the histogram with fewer, wider buckets; unchanged if it has them already, or custom ones.
    #[must_use]
    pub fn with_schema(mut self, schema: i8) -> Self {
        if !self.is_custom() && schema < self.schema {
            self.positive = reduced(&self.positive, self.schema, schema);
            self.negative = reduced(&self.negative, self.schema, schema);
            self.schema = schema;
        }
        self
    }
}
