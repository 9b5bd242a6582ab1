//! Bounds of buckets.

use super::{CUSTOM_SCHEMA, Histogram, bucket::Bucket};

/// Returns the upper bound of the positive bucket with this index: 2^(index / 2^schema), or the listed one.
///
/// # Reference
/// Prometheus, "Native Histograms": the bucket below the one of infinite observations ends at the largest finite number.
#[must_use]
pub fn bound(index: i32, schema: i8, custom: &[f64]) -> f64 {
    if schema == CUSTOM_SCHEMA {
        return match usize::try_from(index) {
            Err(_) => f64::NEG_INFINITY,
            Ok(index) => custom.get(index).copied().unwrap_or(f64::INFINITY),
        };
    }
    // Exact: the divisor is a power of two.
    let exponent = f64::from(index) / f64::from(schema).exp2();
    #[expect(clippy::float_cmp, reason = "the exponent of the last finite bound is exact")]
    let is_last = exponent == 1024.0;
    if is_last { f64::MAX } else { exponent.exp2() }
}

impl Histogram {
    /// Returns the positive bucket with this index.
    pub(crate) fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        let bound = |index| bound(index, self.schema, &self.custom);
        let lower = bound(index.saturating_sub(1));
        let upper = bound(index);
        // The first custom bucket has the observations of minus infinity.
        let lower_inclusive = lower == f64::NEG_INFINITY;
        Bucket { lower, upper, lower_inclusive, upper_inclusive: true, count }
    }

    /// Returns the negative bucket with this index.
    pub(crate) fn negative_bucket(&self, index: i32, count: f64) -> Bucket {
        let bound = |index| bound(index, self.schema, &self.custom);
        Bucket {
            lower: -bound(index),
            upper: -bound(index.saturating_sub(1)),
            lower_inclusive: true,
            upper_inclusive: false,
            count,
        }
    }

    /// Returns the bucket around zero.
    #[must_use]
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
        }
    }
}
