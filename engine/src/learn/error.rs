//! Errors of learning, and an error with its causes as one line of text.

use crate::{series::SourceError, signal::SignalError, store::StoreError};

use super::FitError;

/// An error of fitting, scoring or comparing signals.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// The expression is wrong or could not be evaluated.
    #[error("the expression could not be evaluated")]
    Signal(#[from] SignalError),
    /// The expression returns several series; a signal needs exactly one.
    #[error(
        "the expression returns {count} series, but a signal needs exactly one; aggregate them, for example by sum(…)"
    )]
    SeveralSeries {
        /// Number of series that the expression returns.
        count: usize,
    },
    /// The fit failed.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Samples could not be read.
    #[error("samples could not be read")]
    Source(#[from] SourceError),
    /// Rows could not be read or stored.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Scores of several signals could not be joined on their timestamps.
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
    /// Returns the error and its causes in one line.
    pub(super) fn chain(&self) -> String {
        chain(self)
    }
}

/// Returns an error and its causes in one line.
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
