//! Samples, series numbers, and the stale marker that ends a series.

use std::sync::Arc;

use super::Labels;
use crate::histogram::Histogram;

/// Bits of the NaN that marks the end of a series in Prometheus. Every other NaN is a value.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Returns the stale marker as a number.
#[must_use]
pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether `value` is the stale marker, which is one particular NaN.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Number of a series in one store; dense from 0, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

impl SeriesId {
    /// Returns the id with this number.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Returns the number.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// A timestamp and a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Time in epoch milliseconds.
    pub timestamp_ms: i64,
    /// Value; see [`is_stale`].
    pub value: f64,
}

/// Samples of one series; both vectors have the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSamples {
    /// Labels of the series, including the metric name.
    pub labels: Labels,
    /// Times in epoch milliseconds, strictly ascending.
    pub timestamps: Vec<i64>,
    /// Values, including stale markers ([`stale_marker`]).
    pub values: Vec<f64>,
}

impl SeriesSamples {
    /// Removes all samples but the newest.
    pub(crate) fn keep_newest(&mut self) {
        let older = self.timestamps.len().saturating_sub(1);
        self.timestamps.drain(..older);
        self.values.drain(..older);
    }
}

/// Histograms of one series; both vectors have the same length.
#[derive(Debug, Clone, Default)]
pub struct SeriesHistograms {
    /// Labels of the series, including the metric name.
    pub labels: Labels,
    /// Times in epoch milliseconds, strictly ascending.
    pub timestamps: Vec<i64>,
    /// Histograms.
    pub histograms: Vec<Arc<Histogram>>,
}
