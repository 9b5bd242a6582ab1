//! Samples of a script in memory.

use std::collections::{BTreeMap, BTreeSet};

use almanac_engine::series::{Labels, Matcher, SampleSource, SeriesSamples, SourceError};

use super::values::Point;

/// All loaded series, and the labels of those that have samples which cannot be stored.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    samples: BTreeMap<Labels, BTreeMap<i64, f64>>,
    /// Series with native histograms or start timestamps.
    unstored: BTreeSet<(Labels, &'static str)>,
}

impl Memory {
    /// Adds the points of a series, `step_ms` apart from time 0.
    pub(crate) fn load(&mut self, labels: &Labels, points: &[Point], step_ms: i64) {
        let samples = self.samples.entry(labels.clone()).or_default();
        for (point, at) in points.iter().zip((0..).map(|idx: i64| idx * step_ms)) {
            match point {
                Point::Missing => {}
                Point::Float(value) => {
                    samples.insert(at, *value);
                }
                Point::Histogram => {
                    self.unstored.insert((labels.clone(), "native histograms"));
                }
            }
        }
    }

    /// Notes that a series has samples which are not stored, for a reason.
    pub(crate) fn note(&mut self, labels: &Labels, why: &'static str) {
        self.unstored.insert((labels.clone(), why));
    }

    /// Returns why a query cannot have the expected result: the first matching series that is not stored whole.
    pub(crate) fn unstored(&self, selectors: &[&[Matcher]]) -> Option<&'static str> {
        let selected = |labels: &Labels| selectors.iter().any(|all| all.iter().all(|matcher| matcher.matches(labels)));
        self.unstored.iter().find(|(labels, _)| selected(labels)).map(|(_, why)| *why)
    }
}

impl SampleSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let (mut left, mut found) = (limit, Vec::new());
        for (labels, samples) in &self.samples {
            if start_ms > end_ms || !matchers.iter().all(|matcher| matcher.matches(labels)) {
                continue;
            }
            let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.range(start_ms..=end_ms).unzip();
            left = left.checked_sub(timestamps.len()).ok_or(SourceError::TooManySamples { limit })?;
            if !timestamps.is_empty() {
                found.push(SeriesSamples { labels: labels.clone(), timestamps, values });
            }
        }
        Ok(found)
    }
}
