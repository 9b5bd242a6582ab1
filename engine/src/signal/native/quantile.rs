//! Quantiles of a native histogram, and shares of its observations.
//!
//! # Reference
//! Prometheus 3.14: within an exponential bucket observations are spread evenly over the logarithm of the value, within
//! a custom bucket and the zero bucket over the value.

use crate::histogram::{Bucket, Histogram};

/// What a figure says about observations of NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum NanRemark {
    None,
    /// The result is NaN because of them.
    Result,
    /// They count as greater than all others.
    Skewed,
    /// They are in no share.
    Excluded,
}

impl NanRemark {
    /// Returns the remark as text.
    pub(in crate::signal) fn text(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Result => Some("the histogram has observations of NaN, and the quantile is one of them"),
            Self::Skewed => {
                Some("the histogram has observations of NaN, which count as the greatest: the quantile is too high")
            }
            Self::Excluded => Some("the histogram has observations of NaN, which are in no share"),
        }
    }
}

/// Returns a quantile.
pub(in crate::signal) fn quantile(level: f64, histogram: &Histogram) -> (f64, NanRemark) {
    let plain = |value: f64| (value, NanRemark::None);
    if level < 0.0 {
        return plain(f64::NEG_INFINITY);
    }
    if level > 1.0 {
        return plain(f64::INFINITY);
    }
    if histogram.count == 0.0 || level.is_nan() {
        return plain(f64::NAN);
    }
    let has_nan = histogram.sum.is_nan();
    // From the nearer end, so that rounding errors of many buckets do not add up.
    let from_below = has_nan || level < 0.5;
    let rank = if from_below { level * histogram.count } else { (1.0 - level) * histogram.count };
    let mut buckets = histogram.buckets();
    if !from_below {
        buckets.reverse();
    }
    let (mut count, mut holder) = (0.0, None);
    let mut rest = buckets.iter();
    for bucket in rest.by_ref().filter(|bucket| bucket.count != 0.0) {
        count += bucket.count;
        holder = Some(*bucket);
        if count >= rank {
            break;
        }
    }
    let Some(mut bucket) = holder else {
        return if has_nan { (f64::NAN, NanRemark::Result) } else { plain(0.0) };
    };
    if histogram.is_custom() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return plain(bucket.upper);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return plain(bucket.lower);
        }
    } else {
        half_zero(histogram, &mut bucket);
    }
    count = count.min(histogram.count);
    if count < rank {
        return if has_nan { (f64::NAN, NanRemark::Result) } else { plain(bucket.upper) };
    }
    let within = if from_below { rank - (count - bucket.count) } else { count - rank };
    let mut remark = NanRemark::None;
    if has_nan {
        let all = count + rest.map(|bucket| bucket.count).sum::<f64>();
        if all < histogram.count {
            remark = NanRemark::Skewed;
        }
    }
    let share = within / bucket.count;
    if histogram.is_custom() || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return (bucket.lower + (bucket.upper - bucket.lower) * share, remark);
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    let value = if bucket.lower > 0.0 {
        (lower + (upper - lower) * share).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - share)).exp2()
    };
    (value, remark)
}

/// Returns the share of observations between two values.
pub(in crate::signal) fn fraction(lower: f64, upper: f64, histogram: &Histogram) -> (f64, NanRemark) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, NanRemark::None);
    }
    if lower >= upper {
        return (0.0, NanRemark::None);
    }
    let buckets = histogram.buckets();
    let in_buckets: f64 = buckets.iter().map(|bucket| bucket.count).sum();
    let has_nan = histogram.sum.is_nan();
    let all = if has_nan { in_buckets } else { histogram.count };
    let remark = if has_nan && in_buckets < histogram.count { NanRemark::Excluded } else { NanRemark::None };
    let rank = |value: f64| rank_of(value, histogram, &buckets).unwrap_or(all).min(all);
    ((rank(upper) - rank(lower)) / histogram.count, remark)
}

/// Returns the number of observations below a value; `None` if it is above all buckets.
fn rank_of(value: f64, histogram: &Histogram, buckets: &[Bucket]) -> Option<f64> {
    let mut rank = 0.0;
    for bucket in buckets {
        let mut bucket = *bucket;
        let is_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if is_zero {
            half_zero(histogram, &mut bucket);
        }
        if bucket.lower >= value {
            return Some(rank);
        }
        if bucket.upper > value {
            let is_linear = histogram.is_custom() || is_zero;
            // Within an unbounded bucket no interpolation is possible.
            return Some(if is_linear && bucket.lower == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + bucket.count * bucket.share_below(value, is_linear)
            });
        }
        rank += bucket.count;
    }
    None
}

/// Cuts a bucket around zero to its positive half if the histogram has positive buckets only, and conversely.
fn half_zero(histogram: &Histogram, bucket: &mut Bucket) {
    if !(bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return;
    }
    match (histogram.negative.is_empty(), histogram.positive.is_empty()) {
        (true, false) => bucket.lower = 0.0,
        (false, true) => bucket.upper = 0.0,
        _ => {}
    }
}
