//! Why a history that an advisor needs cannot be read or used.

use crate::signal::SignalError;

/// Why a history cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Timestamps and values of a history differ in number.
    #[error("got {timestamps} timestamps but {values} values")]
    Lengths {
        /// Number of timestamps.
        timestamps: usize,
        /// Number of values.
        values: usize,
    },
    /// Timestamps must ascend.
    #[error("timestamp {timestamp_ms} follows {previous_ms}; they must ascend")]
    Order {
        /// The timestamp that is not later.
        timestamp_ms: i64,
        /// The one before it.
        previous_ms: i64,
    },
    /// There are too few points.
    #[error("{points} points of demand are too few, {needed} are needed")]
    TooShort {
        /// Points that there are.
        points: usize,
        /// Points that are needed.
        needed: usize,
    },
    /// An expression gave no series or more than one.
    #[error("`{expr}` gives {series} series where one is needed; aggregate it, for example with sum(…)")]
    NotOneSeries {
        /// The expression.
        expr: String,
        /// How many series it gave.
        series: usize,
    },
    /// The expression could not be evaluated.
    #[error("`{expr}` could not be evaluated")]
    Signal {
        /// The expression.
        expr: String,
        /// Why.
        #[source]
        source: SignalError,
    },
}
