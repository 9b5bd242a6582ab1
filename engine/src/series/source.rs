//! The trait by which samples are read.

use super::{Matcher, SeriesSamples};

/// Why samples could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The answer would hold more samples than the caller may ask for.
    #[error("the query would load more than {limit} samples")]
    TooManySamples {
        /// The limit in force.
        limit: usize,
    },
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where the evaluator reads samples: the store, or a fixture in a test.
pub trait SampleSource: Send + Sync {
    /// The samples with `start_ms <= timestamp <= end_ms` of all series that satisfy every matcher,
    /// deduplicated, stale markers included; series without such a sample are left out. The order
    /// of series is by labels.
    ///
    /// # Errors
    /// [`SourceError::TooManySamples`] when more than `limit` samples qualify.
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError>;
}
