//! Reads one point per step from rollups, for panels whose steps are an hour or longer.

use almanac_engine::{
    series::{Matcher, SampleSource, SeriesSamples, SourceError},
    signal::LAST_OF_STEP,
    store::{RollupValue, Store},
};

/// A source of the steps of a coarse query ([`Query::coarse`](almanac_engine::signal::Query::coarse)).
pub(super) struct Steps<'a> {
    pub(super) store: &'a Store,
    /// Length of a step in milliseconds, a multiple of an hour.
    pub(super) step_ms: i64,
}

impl SampleSource for Steps<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let (marks, matchers): (Vec<Matcher>, Vec<Matcher>) =
            matchers.iter().cloned().partition(|matcher| matcher.name() == LAST_OF_STEP);
        let value = if marks.is_empty() { RollupValue::Mean } else { RollupValue::Last };
        Ok(self.store.rollups(&matchers, value, (start_ms, end_ms), self.step_ms, limit)?)
    }
}
