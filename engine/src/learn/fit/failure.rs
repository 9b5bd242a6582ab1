//! Why a fit gave no result: plain data, so that it can come from another process.

use serde::{Deserialize, Serialize};

/// Why a fit gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FitError {
    /// Too few values so far.
    #[error("{points} values so far, {needed} are needed")]
    TooFew {
        /// Values that the signal has.
        points: usize,
        /// Values from which it is learned.
        needed: usize,
    },
    /// The model refused the values.
    #[error("the values cannot be forecast: {message}")]
    Model {
        /// The model's error and its causes.
        message: String,
    },
    /// The fit panicked or its executor was lost.
    #[error("the fit of {signal:?} ended without a result")]
    Lost {
        /// The signal.
        signal: String,
    },
}
