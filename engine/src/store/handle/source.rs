//! The store as a source of samples and histograms for the evaluator.

use super::Store;
use crate::{
    series::{Matcher, Part, SampleSource, SeriesHistograms, SeriesSamples, SourceError},
    store::read,
};

impl SampleSource for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        Ok(read::select(&self.0.shared, matchers, (start_ms, end_ms), limit, Part::All)?)
    }

    fn select_newest(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        Ok(read::select(&self.0.shared, matchers, (start_ms, end_ms), limit, Part::Newest)?)
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesHistograms>, SourceError> {
        Ok(read::select_histograms(&self.0.shared, matchers, start_ms, end_ms, limit)?)
    }
}
