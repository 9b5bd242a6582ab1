//! Samples of a script in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use almanac_engine::{
    histogram::Histogram,
    series::{Labels, Matcher, SampleSource, SeriesHistograms, SeriesSamples, SourceError},
};

use super::{histograms::from_classic, values::Point};

/// All loaded series, and the labels of those that have samples which cannot be stored.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    samples: BTreeMap<Labels, BTreeMap<i64, f64>>,
    histograms: BTreeMap<Labels, BTreeMap<i64, Arc<Histogram>>>,
    /// Series with start timestamps.
    unstored: BTreeSet<(Labels, &'static str)>,
}

/// The classic parts of one histogram: buckets, count and sum.
type Classic = (Vec<(f64, f64)>, Option<f64>, f64);

impl Memory {
    /// Adds the points of a series, `step_ms` apart from time 0.
    pub(crate) fn load(&mut self, labels: &Labels, points: &[Point], step_ms: i64) {
        for (point, at) in points.iter().zip((0..).map(|idx: i64| idx * step_ms)) {
            match point {
                Point::Missing => {}
                Point::Float(value) => {
                    self.samples.entry(labels.clone()).or_default().insert(at, *value);
                }
                Point::Histogram((histogram, _)) => {
                    let mut histogram = histogram.clone();
                    // The store finds by itself whether there was a reset.
                    let stored = self.histograms.entry(labels.clone()).or_default();
                    let before = stored.get(&(at - step_ms)).map(|before| &**before);
                    Arc::make_mut(&mut histogram).hint = histogram.hint_after(before);
                    stored.insert(at, histogram);
                }
            }
        }
    }

    /// Adds a histogram with custom buckets for each classic one of a `load_with_nhcb`.
    pub(crate) fn load_custom(&mut self, series: &[(Labels, Vec<Point>, bool)], step_ms: i64) {
        let mut found: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
        for (labels, points, _) in series {
            let name = labels.metric_name();
            let ending = ["_bucket", "_count", "_sum"].into_iter().find(|ending| name.ends_with(ending));
            let Some(ending) = ending else { continue };
            let le = labels.get("le").and_then(|le| le.parse::<f64>().ok());
            if ending == "_bucket" && le.is_none() {
                continue;
            }
            let mut builder = labels.without(&["le"]).to_builder();
            builder.set("__name__", name.strip_suffix(ending).unwrap_or(name));
            let histogram = found.entry(builder.build()).or_default();
            for (point, at) in points.iter().zip((0..).map(|idx: i64| idx * step_ms)) {
                let Point::Float(value) = point else { continue };
                let parts = histogram.entry(at).or_default();
                match ending {
                    "_bucket" => parts.0.push((le.unwrap_or(f64::NAN), *value)),
                    "_count" => parts.1 = Some(*value),
                    _ => parts.2 = *value,
                }
            }
        }
        for (labels, histograms) in found {
            for (at, (buckets, count, sum)) in histograms {
                if let Some(histogram) = from_classic(&buckets, count, sum) {
                    self.histograms.entry(labels.clone()).or_default().insert(at, Arc::new(histogram));
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

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        _: usize,
    ) -> Result<Vec<SeriesHistograms>, SourceError> {
        let mut found = Vec::new();
        for (labels, histograms) in &self.histograms {
            if start_ms > end_ms || !matchers.iter().all(|matcher| matcher.matches(labels)) {
                continue;
            }
            let within = histograms.range(start_ms..=end_ms);
            let (timestamps, histograms): (Vec<i64>, Vec<Arc<Histogram>>) =
                within.map(|(at, histogram)| (*at, histogram.clone())).unzip();
            if !timestamps.is_empty() {
                found.push(SeriesHistograms { labels: labels.clone(), timestamps, histograms });
            }
        }
        Ok(found)
    }
}
