//! The capacity of a replica as a result, and what both learning methods share. Used by `cpu`, `latency` and `learn`.

use crate::advise::scaling::ScalingError;

/// Share of its maximum at which a replica counts as full: queues grow without bound before 1.
pub(super) const FULL_UTILIZATION: f64 = 0.9;
/// Minimum share of the variance of CPU or log latency that demand must explain.
pub(super) const MIN_EXPLAINED: f64 = 0.5;

/// Capacity of one replica, with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Demand that one replica serves.
    pub value: f64,
    /// Lower end of the 80 % interval; the value itself when stated.
    pub lower: f64,
    /// Upper end; infinite if no replica was ever near its capacity.
    pub upper: f64,
    /// Source of the value.
    pub source: CapacitySource,
    /// Share of the variance of CPU or log latency that demand explains; 1 when stated.
    pub explained: f64,
}

/// Source of a capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacitySource {
    /// Stated in the configuration.
    Stated,
    /// Learned from CPU, by the utilisation law.
    Cpu,
    /// Learned from latency, by the universal scalability law.
    Latency,
}

impl CapacitySource {
    /// Returns the name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Cpu => "cpu",
            Self::Latency => "latency",
        }
    }
}

impl Capacity {
    /// Creates a stated capacity.
    #[must_use]
    pub fn stated(value: f64) -> Self {
        Self { value, lower: value, upper: value, source: CapacitySource::Stated, explained: 1.0 }
    }
}

/// Creates the error for a capacity that cannot be learned.
pub(super) fn capacity_unknown(reason: &str) -> ScalingError {
    ScalingError::CapacityUnknown { reason: reason.to_owned() }
}
