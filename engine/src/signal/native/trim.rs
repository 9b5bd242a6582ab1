//! The operators `</` and `>/`: remove the observations above or below a value.
//!
//! # Reference
//! Prometheus 3.14: a bucket that the value cuts keeps the share of its observations by interpolation, and the sum is
//! estimated anew from the middles of the buckets.

use crate::histogram::{Bucket, Histogram};

/// Returns the histogram without the observations above (`upper`) or below a value. Unchanged if none is removed.
pub(in crate::signal) fn trimmed(histogram: &Histogram, at: f64, upper: bool) -> Histogram {
    let mut result = histogram.clone();
    let mut trim = Trim { at, upper, is_custom: histogram.is_custom(), count: 0.0, sum: 0.0, trimmed: false };
    for (index, count) in &mut result.positive {
        *count = trim.bucket(histogram.positive_bucket(*index, *count), true);
    }
    for (index, count) in &mut result.negative {
        *count = trim.bucket(histogram.negative_bucket(*index, *count), false);
    }
    if histogram.zero_count > 0.0 {
        result.zero_count = trim.zero(histogram);
    }
    if trim.trimmed {
        result.positive.retain(|bucket| bucket.1 != 0.0);
        result.negative.retain(|bucket| bucket.1 != 0.0);
        result.count = trim.count;
        result.sum = trim.sum;
    }
    result
}

/// A trim in progress.
struct Trim {
    at: f64,
    upper: bool,
    is_custom: bool,
    /// Observations that are kept.
    count: f64,
    /// Their estimated sum.
    sum: f64,
    trimmed: bool,
}

impl Trim {
    /// Returns the kept observations of a bucket.
    #[expect(clippy::float_cmp, reason = "only an exact count is unchanged")]
    fn bucket(&mut self, bucket: Bucket, positive: bool) -> f64 {
        let whole = if self.upper { bucket.upper <= self.at } else { bucket.lower >= self.at };
        let cut = if self.upper { bucket.lower < self.at } else { bucket.upper > self.at };
        let (kept, middle) = if whole {
            (bucket.count, middle(bucket.lower, bucket.upper, positive, self.is_custom))
        } else if cut {
            self.cut(&bucket, positive)
        } else {
            self.trimmed = true;
            return 0.0;
        };
        self.count += kept;
        self.sum += middle * kept;
        self.trimmed |= kept != bucket.count;
        kept
    }

    /// Returns the kept observations of a bucket that the value cuts, and their middle.
    fn cut(&self, bucket: &Bucket, positive: bool) -> (f64, f64) {
        if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
            return self.unbounded(bucket);
        }
        let below = bucket.count * bucket.share_below(self.at, self.is_custom);
        if self.upper {
            (below, middle(bucket.lower, self.at, positive, self.is_custom))
        } else {
            (bucket.count - below, middle(self.at, bucket.upper, positive, self.is_custom))
        }
    }

    /// Of a bucket without a lower bound only the part above zero can be divided, and of one without an upper bound
    /// none: a trim from above removes it, one from below keeps it.
    fn unbounded(&self, bucket: &Bucket) -> (f64, f64) {
        let (at, count, upper) = (self.at, bucket.count, bucket.upper);
        let finite = |value: f64| if value.is_infinite() { 0.0 } else { value };
        let is_finite = upper != f64::INFINITY;
        if bucket.lower != f64::NEG_INFINITY {
            return if self.upper || at < bucket.lower { (0.0, finite(bucket.lower)) } else { (count, at) };
        }
        if self.upper {
            if at >= upper {
                (count, 0.0)
            } else if at > 0.0 && upper > 0.0 && is_finite {
                (count * at / upper, at / 2.0)
            } else if upper <= 0.0 {
                (count, at)
            } else {
                (0.0, finite(upper))
            }
        } else if at == f64::NEG_INFINITY {
            (count, 0.0)
        } else if at >= 0.0 && upper > at && is_finite {
            (count * (1.0 - at / upper), f64::midpoint(at, upper))
        } else {
            (0.0, finite(upper))
        }
    }

    /// Returns the kept observations of the zero bucket.
    #[expect(clippy::float_cmp, reason = "only an exact count is unchanged")]
    fn zero(&mut self, histogram: &Histogram) -> f64 {
        let has = |buckets: &[(i32, f64)]| buckets.iter().any(|bucket| bucket.1 != 0.0);
        let (negative, positive) = (has(&histogram.negative), has(&histogram.positive));
        let width = histogram.zero_threshold;
        let (lower, upper) = match (negative, positive) {
            (true, false) => (-width, 0.0),
            (false, true) => (0.0, width),
            _ => (-width, width),
        };
        let at = self.at;
        let (share, middle) = if self.upper {
            if at <= lower {
                (0.0, 0.0)
            } else if at >= upper {
                (1.0, f64::midpoint(lower, upper))
            } else {
                ((at - lower) / (upper - lower), f64::midpoint(lower, at))
            }
        } else if at <= lower {
            (1.0, f64::midpoint(lower, upper))
        } else if at >= upper {
            (0.0, 0.0)
        } else {
            ((upper - at) / (upper - lower), f64::midpoint(at, upper))
        };
        let kept = histogram.zero_count * share;
        self.trimmed |= kept != histogram.zero_count;
        self.sum += middle * kept;
        self.count += kept;
        kept
    }
}

/// Returns the middle of an interval: the arithmetic mean of custom buckets, else the geometric one.
fn middle(lower: f64, upper: f64, positive: bool, is_linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => return 0.0,
        (true, false) => return if upper > 0.0 { upper / 2.0 } else { upper },
        (false, true) => return lower,
        (false, false) => {}
    }
    if is_linear {
        return f64::midpoint(lower, upper);
    }
    let mean = (lower * upper).abs().sqrt();
    if positive { mean } else { -mean }
}
