//! Makes the series of a file available to the PromQL evaluator, for rules that are not a plain selector.

use crate::{
    advise::threshold::SignalHistory,
    series::{Labels, METRIC_NAME, Matcher, SampleSource, SeriesSamples, SourceError},
    signal::{self, EvalLimits, Query, RangeSeries, SignalError},
};

/// Recorded series, each as `value{series="name"}`, and also by its name if that is a valid metric name. Sorted by
/// labels.
pub(super) struct FileSource<'a> {
    series: Vec<(Labels, &'a SignalHistory)>,
}

impl<'a> FileSource<'a> {
    pub(super) fn new(histories: &'a [SignalHistory]) -> Self {
        let mut series = Vec::with_capacity(2 * histories.len());
        for history in histories {
            let as_value = [(METRIC_NAME, "value"), ("series", history.name.as_str())];
            let by_name = [(METRIC_NAME, history.name.as_str())];
            series.extend(Labels::from_pairs(as_value).ok().map(|labels| (labels, history)));
            let by_name = Labels::from_pairs(by_name).ok().filter(|_| history.name != "value");
            series.extend(by_name.map(|labels| (labels, history)));
        }
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Self { series }
    }

    /// Returns the histories that an expression reads, each once.
    pub(super) fn read_by(&self, query: &Query) -> Vec<&'a SignalHistory> {
        let mut found: Vec<&SignalHistory> = Vec::new();
        for matchers in query.selectors() {
            for (labels, history) in &self.series {
                let reads = matchers.iter().all(|matcher| matcher.matches(labels));
                if reads && !found.iter().any(|there| std::ptr::eq(*there, *history)) {
                    found.push(history);
                }
            }
        }
        found
    }

    /// Evaluates an expression at every step of a span, both ends included.
    ///
    /// # Errors
    /// [`SignalError`] when it cannot be evaluated.
    pub(super) fn range(
        &self,
        query: &Query,
        (start_ms, end_ms): (i64, i64),
        step_ms: i64,
    ) -> Result<Vec<RangeSeries>, SignalError> {
        let usual = EvalLimits::default();
        // The lookback covers at least one step, so that a sample is valid until the next one.
        let limits = EvalLimits { max_steps: usize::MAX, lookback_ms: usual.lookback_ms.max(step_ms), ..usual };
        signal::range(self, query, start_ms, end_ms, step_ms, &limits)
    }
}

impl SampleSource for FileSource<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let mut left = limit;
        let mut all = Vec::new();
        let reads = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels));
        for (labels, history) in self.series.iter().filter(|(labels, _)| reads(labels)) {
            let rows = history.timestamps.iter().zip(&history.values);
            let within = |(at_ms, value): &(&i64, &f64)| (start_ms..=end_ms).contains(*at_ms) && !value.is_nan();
            let (timestamps, values): (Vec<i64>, Vec<f64>) = rows.filter(within).unzip();
            left = left.checked_sub(timestamps.len()).ok_or(SourceError::TooManySamples { limit })?;
            if !timestamps.is_empty() {
                all.push(SeriesSamples { labels: labels.clone(), timestamps, values });
            }
        }
        Ok(all)
    }
}
