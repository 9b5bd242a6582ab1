//! Errors of a fit. Serialisable, so that they can come from another process.

use serde::{Deserialize, Serialize};

/// An error of a fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FitError {
    /// The signal has too few values so far.
    #[error("{points} values so far, {needed} are needed")]
    TooFew {
        /// Number of values of the signal.
        points: usize,
        /// Minimum number of values of a fit.
        needed: usize,
    },
    /// The model rejected the values.
    #[error("the values cannot be forecast: {message}")]
    Model {
        /// The model's error and its causes.
        message: String,
    },
    /// The fit panicked, or its executor returned no outcome.
    #[error("the fit of {signal:?} ended without a result")]
    Lost {
        /// The signal.
        signal: String,
    },
}
