//! Samples and the marker of a series' end.

use super::Labels;

/// The bits of the NaN by which Prometheus marks the end of a series; every other NaN is a value.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a number.
#[must_use]
pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether `value` is the stale marker, and not merely NaN.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Number of a series in one store; dense from 0, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

impl SeriesId {
    /// The series with this number.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// One measurement: epoch milliseconds and value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Epoch milliseconds.
    pub timestamp_ms: i64,
    /// The value; see [`is_stale`].
    pub value: f64,
}

/// The samples of one series: timestamps strictly ascending, both vectors of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSamples {
    /// The series' labels, the metric's name among them.
    pub labels: Labels,
    /// Epoch milliseconds, strictly ascending.
    pub timestamps: Vec<i64>,
    /// The values; stale markers are included as [`stale_marker`].
    pub values: Vec<f64>,
}
