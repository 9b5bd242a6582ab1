//! Why something could not be learned.

use crate::{series::SourceError, signal::SignalError, store::StoreError};

use super::FitError;

/// Why something could not be learned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// The expression is wrong or could not be evaluated.
    #[error("the expression could not be evaluated")]
    Signal(#[from] SignalError),
    /// The expression gives several series where a signal is one.
    #[error("the expression gives {count} series; a signal is one: aggregate them, for example with sum(…)")]
    SeveralSeries {
        /// How many series it gives.
        count: usize,
    },
    /// The fit gave no result.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Samples could not be read.
    #[error("samples could not be read")]
    Source(#[from] SourceError),
    /// Rows could not be read or stored.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Scores could not be laid side by side.
    #[error("scores could not be aligned")]
    Frame(#[from] polars::error::PolarsError),
    /// The evaluation of a signal panicked.
    #[error("evaluating {signal:?} panicked")]
    Panicked {
        /// The signal.
        signal: String,
    },
}

impl LearnError {
    /// The error and its causes in one line.
    pub(super) fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
