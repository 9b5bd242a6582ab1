use almanac_models::forecast::ForecastError;

use crate::{series::SourceError, signal::SignalError, store::StoreError};

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
    /// Too few values yet.
    #[error("{points} values so far, {needed} are needed")]
    TooFew {
        /// Values that the signal has.
        points: usize,
        /// Values from which it is learned.
        needed: usize,
    },
    /// The values cannot be forecast.
    #[error("the values cannot be forecast")]
    Forecast(#[from] ForecastError),
    /// Signals could not be laid into one frame.
    #[error("signals could not be aligned")]
    Frame(#[from] polars::error::PolarsError),
    /// Samples could not be read.
    #[error("samples could not be read")]
    Source(#[from] SourceError),
    /// Rows could not be read or stored.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A worker ended before its time.
    #[error("learning {signal:?} panicked")]
    Panicked {
        /// The signal.
        signal: String,
    },
}

impl LearnError {
    /// The error and what caused it, in one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
