//! Why a workload gets no scaling advice; two of the reasons are results: the present rule is kept.

use almanac_models::UnitError;

use crate::{advise::kit::HistoryError, store::StoreError};

/// Why a workload gets no scaling advice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// One replica must serve something.
    #[error("capacity {capacity} of a replica is not a positive number")]
    Capacity {
        /// The rejected capacity.
        capacity: f64,
    },
    /// The target of the reactive rule is a share of the capacity.
    #[error("target utilization {target} is not above 0 and at most 1")]
    TargetUtilization {
        /// The rejected share.
        target: f64,
    },
    /// Replicas do not start before they are asked for.
    #[error("start-up of {millis} ms is negative")]
    Startup {
        /// The rejected time.
        millis: i64,
    },
    /// The bounds leave no number of replicas.
    #[error("no number of replicas is at least {min} and at most {max}, and at least 1")]
    Bounds {
        /// Fewest replicas.
        min: u32,
        /// Most replicas.
        max: u32,
    },
    /// Demand is a finite number that is not negative.
    #[error("demand {value} at {timestamp_ms} is negative or infinite")]
    Demand {
        /// The rejected value.
        value: f64,
        /// Its timestamp.
        timestamp_ms: i64,
    },
    /// There is too little history to decide anything.
    #[error("{points} points of demand are too few, {needed} are needed")]
    TooShort {
        /// Points that there are.
        points: usize,
        /// Points that are needed.
        needed: usize,
    },
    /// Nothing is left to score after the warm-up.
    #[error("the warm-up of {warmup_ms} ms leaves nothing to score in a history of {span_ms} ms")]
    Warmup {
        /// The warm-up.
        warmup_ms: i64,
        /// Length of the history.
        span_ms: i64,
    },
    /// The capacity is neither stated nor to be learned.
    #[error("capacity_per_replica is not stated and cannot be learned: {reason}")]
    CapacityUnknown {
        /// What is missing.
        reason: String,
    },
    /// No number of replicas answers so fast.
    #[error(
        "latency_max of {latency_max} is below the latency of an idle replica, {at_rest:.4}; no number of replicas keeps it"
    )]
    LatencyAtRest {
        /// The latency that may be reached.
        latency_max: f64,
        /// That of an idle replica.
        at_rest: f64,
    },
    /// The present rule serves the workload as well.
    #[error(
        "the reactive rule serves as well: by the forecast {:.3} % of the time falls short, reactive at the same cost {:.3} %",
        100.0 * under_provisioned_share, 100.0 * same_cost_share
    )]
    NoGain {
        /// Share of time in which the predictive rule falls short.
        under_provisioned_share: f64,
        /// The same of the reactive rule at the same cost.
        same_cost_share: f64,
    },
    /// Too little speaks for the forecast.
    #[error(
        "the reactive rule is kept: by the forecast no more falls short in {:.0} % of the resampled histories, at least {:.0} % are asked for",
        100.0 * confidence, 100.0 * least
    )]
    Unsure {
        /// The confidence of what would have been recommended.
        confidence: f64,
        /// The least confidence of a recommendation.
        least: f64,
    },
    /// Every value to be scored is missing.
    #[error("no step after the warm-up has a demand: nothing to score")]
    NoDemand,
    /// A recommendation that nobody may act on now.
    #[error("no number of replicas is in force: {reason}")]
    NotInForce {
        /// Why.
        reason: String,
    },
    /// No schedule can be laid down.
    #[error("no schedule: {reason}")]
    Schedule {
        /// What is missing.
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
    /// Whether the present rule is kept, which is a result with its figures; otherwise something is missing or wrong.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::NoGain { .. } | Self::Unsure { .. })
    }
}
