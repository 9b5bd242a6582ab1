//! Errors of reading a history that an advisor needs.

use crate::signal::SignalError;

/// Error of reading or using a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Timestamps and values differ in number.
    #[error("got {timestamps} timestamps but {values} values")]
    Lengths {
        /// Number of timestamps.
        timestamps: usize,
        /// Number of values.
        values: usize,
    },
    /// Timestamps do not ascend.
    #[error("timestamp {timestamp_ms} follows {previous_ms}; they must ascend")]
    Order {
        /// The timestamp that is not later than the one before.
        timestamp_ms: i64,
        /// The timestamp before it.
        previous_ms: i64,
    },
    /// The history has too few points.
    #[error("got {points} points of demand, at least {needed} are needed")]
    TooShort {
        /// Number of points.
        points: usize,
        /// Required number of points.
        needed: usize,
    },
    /// An expression returned no series or more than one.
    #[error("`{expr}` returns {series} series where one is needed; aggregate it, for example with sum(…)")]
    NotOneSeries {
        /// The expression.
        expr: String,
        /// Number of series returned.
        series: usize,
    },
    /// The expression could not be evaluated.
    #[error("`{expr}` could not be evaluated")]
    Signal {
        /// The expression.
        expr: String,
        /// Cause.
        #[source]
        source: SignalError,
    },
}
