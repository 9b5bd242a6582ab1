//! A bucket with its bounds.

use std::fmt;

/// A bucket: its bounds, which of them belong to it, and its count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether the lower bound belongs to the bucket.
    pub lower_inclusive: bool,
    /// Whether the upper bound belongs to the bucket.
    pub upper_inclusive: bool,
    /// Number of observations.
    pub count: f64,
}

impl Bucket {
    /// Returns the share of the observations below a value within the bucket, if they are spread evenly over the value
    /// (`is_linear`) or over its logarithm.
    #[must_use]
    pub fn share_below(&self, value: f64, is_linear: bool) -> f64 {
        if is_linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper, at) = (self.lower.abs().log2(), self.upper.abs().log2(), value.abs().log2());
        if value > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) =
            (if self.lower_inclusive { '[' } else { '(' }, if self.upper_inclusive { ']' } else { ')' });
        write!(f, "{open}{},{}{close}:{}", Number(self.lower), Number(self.upper), Number(self.count))
    }
}

/// A number as in the notation of Prometheus: infinities have a sign.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == f64::INFINITY {
            f.write_str("+Inf")
        } else if self.0 == f64::NEG_INFINITY {
            f.write_str("-Inf")
        } else {
            write!(f, "{}", self.0)
        }
    }
}
