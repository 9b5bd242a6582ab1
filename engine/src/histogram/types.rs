//! The histogram and its parts.

use std::{fmt, sync::Arc};

use super::bucket::{Bucket, Number};

/// Schemas of exponential buckets: each power of two is divided into 2^schema buckets.
pub const SCHEMAS: std::ops::RangeInclusive<i8> = -4..=8;

/// Schema of custom buckets, whose upper bounds are listed in the histogram.
pub const CUSTOM_SCHEMA: i8 = -53;

/// Index and count of each bucket that is not empty, by ascending index.
pub type Buckets = Vec<(i32, f64)>;

/// What is known about a reset of the counter between this histogram and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    /// Nothing: resets are found by comparison.
    #[default]
    Unknown,
    /// The counter was reset.
    Reset,
    /// The counter was not reset.
    NotReset,
    /// The histogram is a gauge: it has no resets.
    Gauge,
}

impl ResetHint {
    /// Returns the hint with this number in Prometheus' messages; other numbers are unknown.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Reset,
            2 => Self::NotReset,
            3 => Self::Gauge,
            _ => Self::Unknown,
        }
    }

    /// Returns the number of the hint in Prometheus' messages.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Reset => 1,
            Self::NotReset => 2,
            Self::Gauge => 3,
        }
    }
}

/// A native histogram. [`Histogram::check`] says whether a sender may send it; results of PromQL may also have negative
/// counts.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Schema of the buckets: one of [`SCHEMAS`] or [`CUSTOM_SCHEMA`].
    pub schema: i8,
    /// Largest distance from zero of a value in the zero bucket.
    pub zero_threshold: f64,
    /// Number of observations in the zero bucket.
    pub zero_count: f64,
    /// Number of all observations, NaN among them.
    pub count: f64,
    /// Sum of all observations.
    pub sum: f64,
    /// Buckets of positive values; of all values if the bounds are custom.
    pub positive: Buckets,
    /// Buckets of negative values, by their distance from zero.
    pub negative: Buckets,
    /// Upper bounds of custom buckets, ascending, without the last, which is infinite.
    pub custom: Arc<[f64]>,
    /// What is known about a reset.
    pub hint: ResetHint,
}

impl Histogram {
    /// Whether the bounds of the buckets are custom.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// Returns the weight of the histogram in samples of 16 bytes, as Prometheus counts it against its limits.
    #[must_use]
    pub fn weight(&self) -> usize {
        (size_of::<Self>()
            + (self.positive.len() + self.negative.len()) * size_of::<(i32, f64)>()
            + self.custom.len() * 8)
            .div_ceil(16)
    }

    /// Returns the buckets from the lowest to the highest value, the zero bucket among them if it has observations.
    #[must_use]
    pub fn buckets(&self) -> Vec<Bucket> {
        let mut all = Vec::with_capacity(self.positive.len() + self.negative.len() + 1);
        for &(index, count) in self.negative.iter().rev() {
            let mut bucket = self.negative_bucket(index, count);
            if bucket.upper < 0.0 && bucket.upper > -self.zero_threshold {
                bucket.upper = -self.zero_threshold;
            }
            all.push(bucket);
        }
        if self.zero_count > 0.0 {
            all.push(self.zero_bucket());
        }
        for &(index, count) in &self.positive {
            let mut bucket = self.positive_bucket(index, count);
            if bucket.lower > 0.0 && bucket.lower < self.zero_threshold {
                bucket.lower = self.zero_threshold;
            }
            all.push(bucket);
        }
        all
    }

    /// Whether the values of all fields are the same to the bit, but for the hint, as `==` of PromQL compares.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "thresholds are equal or not")]
    pub fn same(&self, other: &Self) -> bool {
        let same_buckets = |a: &Buckets, b: &Buckets| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && a.1.to_bits() == b.1.to_bits())
        };
        self.schema == other.schema
            && self.count.to_bits() == other.count.to_bits()
            && self.sum.to_bits() == other.sum.to_bits()
            && (!self.is_custom() || self.custom == other.custom)
            && self.zero_threshold == other.zero_threshold
            && self.zero_count.to_bits() == other.zero_count.to_bits()
            && same_buckets(&self.positive, &other.positive)
            && same_buckets(&self.negative, &other.negative)
    }

    /// Whether a count or the sum is infinite.
    #[must_use]
    pub fn overflows(&self) -> bool {
        let mut all = [self.zero_count, self.count, self.sum].into_iter();
        all.any(f64::is_infinite) || self.positive.iter().chain(&self.negative).any(|bucket| bucket.1.is_infinite())
    }

    /// Removes empty buckets.
    pub(super) fn compact(&mut self) {
        self.positive.retain(|bucket| bucket.1 != 0.0);
        self.negative.retain(|bucket| bucket.1 != 0.0);
    }
}

/// Writes the notation of Prometheus: `{count:3, sum:5, [-0.5,0.5]:1, (1,2]:2}`.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", Number(self.count), Number(self.sum))?;
        for bucket in self.buckets() {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}

/// Compares all fields, counts to the bit.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) && self.hint == other.hint && self.custom == other.custom
    }
}
