//! Errors of scaling advice. `NoGain` and `Unsure` are results: the present rule is kept.

use almanac_models::UnitError;

use crate::{
    advise::{FetchError, kit::HistoryError},
    store::StoreError,
};

/// Error of scaling advice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// The capacity of a replica is not positive.
    #[error("capacity {capacity} of a replica is not a positive number")]
    Capacity {
        /// The rejected capacity.
        capacity: f64,
    },
    /// The target utilisation is not a share.
    #[error("target utilization {target} is not above 0 and at most 1")]
    TargetUtilization {
        /// The rejected share.
        target: f64,
    },
    /// The start-up time is negative.
    #[error("start-up of {millis} ms is negative")]
    Startup {
        /// The rejected time.
        millis: i64,
    },
    /// The bounds exclude every number of replicas.
    #[error("no positive number of replicas is at least {min} and at most {max}")]
    Bounds {
        /// Minimum number of replicas.
        min: u32,
        /// Maximum number of replicas.
        max: u32,
    },
    /// Demand is negative or infinite.
    #[error("demand {value} at {timestamp_ms} is negative or infinite")]
    Demand {
        /// The rejected value.
        value: f64,
        /// Its timestamp.
        timestamp_ms: i64,
    },
    /// The history is too short for a decision.
    #[error("got {points} points of demand, at least {needed} are needed")]
    TooShort {
        /// Number of points.
        points: usize,
        /// Required number of points.
        needed: usize,
    },
    /// The warm-up leaves nothing to score.
    #[error("the warm-up of {warmup_ms} ms leaves nothing to score in a history of {span_ms} ms")]
    Warmup {
        /// Length of the warm-up.
        warmup_ms: i64,
        /// Length of the history.
        span_ms: i64,
    },
    /// The capacity is neither stated nor learnable.
    #[error("capacity_per_replica is not stated and cannot be learned: {reason}")]
    CapacityUnknown {
        /// Reason.
        reason: String,
    },
    /// Even an idle replica exceeds the maximum latency.
    #[error(
        "latency_max of {latency_max} is below the latency of an idle replica, {at_rest:.4}; no number of replicas keeps it"
    )]
    LatencyAtRest {
        /// Maximum latency.
        latency_max: f64,
        /// Latency of an idle replica.
        at_rest: f64,
    },
    /// The reactive rule is as good.
    #[error(
        "the reactive rule is as good: the forecast rule falls short {:.3} % of the time, the reactive rule at the same cost {:.3} %",
        100.0 * under_provisioned_share, 100.0 * same_cost_share
    )]
    NoGain {
        /// Share of time in which the forecast rule falls short.
        under_provisioned_share: f64,
        /// The same share of the reactive rule at the same cost.
        same_cost_share: f64,
    },
    /// The confidence in the forecast rule is too low.
    #[error(
        "the reactive rule is kept: the forecast rule falls short no more often in {:.0} % of the resampled histories, at least {:.0} % are required",
        100.0 * confidence, 100.0 * least
    )]
    Unsure {
        /// Confidence of the forecast rule.
        confidence: f64,
        /// Minimum confidence of a recommendation.
        least: f64,
    },
    /// Every step to be scored is missing.
    #[error("no step after the warm-up has a demand: nothing to score")]
    NoDemand,
    /// The recommendation may not be used now.
    #[error("no number of replicas is in force: {reason}")]
    NotInForce {
        /// Reason.
        reason: String,
    },
    /// No schedule can be planned.
    #[error("no schedule: {reason}")]
    Schedule {
        /// Reason.
        reason: String,
    },
    /// A history cannot be read or used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// A step or a level is out of its range.
    #[error("a quantity is out of its range")]
    Unit(#[from] UnitError),
}

impl ScalingError {
    /// Returns whether the present rule is kept, which is a result with figures. Otherwise data are missing or invalid.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::NoGain { .. } | Self::Unsure { .. })
    }
}

impl From<ScalingError> for FetchError {
    fn from(error: ScalingError) -> Self {
        match error {
            ScalingError::History(error) => error.into(),
            ScalingError::Store(error) => error.into(),
            error => Self::other(error),
        }
    }
}
