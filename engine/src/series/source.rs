//! The trait through which the evaluator reads samples. The store implements it.

use super::{Matcher, SeriesHistograms, SeriesSamples};

/// An error of reading samples.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The result would contain more samples than the limit of the caller.
    #[error("the query would load more than {limit} samples")]
    TooManySamples {
        /// The limit.
        limit: usize,
    },
    /// Reading from the store failed.
    #[error("the store could not be read")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Which samples of a span are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// The newest one of each series.
    Newest,
}

/// A source of samples: the store, or a fixture in a test.
pub trait SampleSource: Send + Sync {
    /// Returns the samples with `start_ms <= timestamp <= end_ms` of all series that satisfy every matcher.
    ///
    /// Samples are deduplicated and include stale markers. Series without a sample are left out. Series are ordered by
    /// labels.
    ///
    /// # Errors
    /// [`SourceError::TooManySamples`] if more than `limit` samples match.
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError>;

    /// Returns the newest sample of the span of each of these series, as [`Self::select`] would: one sample a series.
    ///
    /// # Errors
    /// As [`Self::select`]; a source that reads all samples may count all of them.
    fn select_newest(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let mut series = self.select(matchers, start_ms, end_ms, limit)?;
        series.iter_mut().for_each(SeriesSamples::keep_newest);
        Ok(series)
    }

    /// Returns the histograms of the same series and span. A source without histograms returns none.
    ///
    /// # Errors
    /// [`SourceError::TooManySamples`] if the histograms weigh more than `limit` samples
    /// ([`Histogram::weight`](crate::histogram::Histogram::weight)).
    fn select_histograms(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesHistograms>, SourceError> {
        let _ = (matchers, start_ms, end_ms, limit);
        Ok(Vec::new())
    }
}
