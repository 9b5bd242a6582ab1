//! Series of an import, and the trait of the two passes that receive its samples.

use std::{borrow::Cow, hash::Hasher, path::Path};

use hashbrown::HashMap;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{
    ingest::{
        IngestLimits, Refusal,
        files::{FileError, Place},
        labels::validate,
        text::{self, TextParser},
    },
    series::{Labels, METRIC_NAME},
};

/// Maximum bytes of the labels of all series of a file: a million series with 500 bytes each.
const MAX_LABEL_BYTES: usize = 512 << 20;

/// Label names and values, including the metric name.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Parses a series name: a metric name, or a series in Prometheus notation. `fallback`: metric name of a series that
/// has labels only, as in Grafana's `{job="api"}`.
pub(super) fn series_labels<'a>(text: &'a str, fallback: Option<&'a str>) -> Pairs<'a> {
    if text.ends_with('}') {
        if let Some(pairs) = text::selector(text) {
            return pairs;
        }
        if let Some(mut pairs) = text::label_set(text) {
            if let Some(name) = fallback.filter(|_| !pairs.iter().any(|(label, _)| label == METRIC_NAME)) {
                pairs.push((METRIC_NAME.into(), name.into()));
            }
            return pairs;
        }
    }
    vec![(METRIC_NAME.into(), text.into())]
}

/// Samples of one series in file order.
pub(super) struct Samples<'a> {
    pub(super) timestamps: &'a [i64],
    pub(super) values: &'a [f64],
    /// Returns the position of a sample in the file.
    pub(super) place: &'a dyn Fn(usize) -> Place,
}

/// Receiver of the samples of a file; those of one series come in file order.
pub(super) trait SampleSink {
    /// Processes samples of one series, at least one.
    fn samples(&mut self, labels: &Pairs<'_>, samples: &Samples<'_>) -> Result<(), FileError>;

    /// Processes the metadata that a text declares; called at its end.
    fn declared(&mut self, _: &TextParser) {}
}

/// Distinct series of a file, numbered in the order of first appearance, so that both passes number them alike.
pub(super) struct SeriesTable<'a> {
    path: &'a Path,
    limits: &'a IngestLimits,
    max_series: usize,
    hasher: SipHasher13,
    by_key: HashMap<u128, usize>,
    pub(super) labels: Vec<Labels>,
    /// Bytes of the names and values in `labels`.
    label_bytes: usize,
}

impl<'a> SeriesTable<'a> {
    pub(super) fn new(path: &'a Path, limits: &'a IngestLimits, max_series: usize) -> Self {
        let hasher = SipHasher13::new_with_keys(rand::random(), rand::random());
        Self { path, limits, max_series, hasher, by_key: HashMap::new(), labels: Vec::new(), label_bytes: 0 }
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    fn key(&self, pairs: &Pairs<'_>) -> u128 {
        let mut hasher = self.hasher;
        for (name, value) in pairs {
            hasher.write_usize(name.len());
            hasher.write(name.as_bytes());
            hasher.write_usize(value.len());
            hasher.write(value.as_bytes());
        }
        hasher.finish128().as_u128()
    }

    /// Returns the index of a series; validates the labels of a new one.
    pub(super) fn index_of(&mut self, place: Place, pairs: &Pairs<'_>) -> Result<usize, FileError> {
        let key = self.key(pairs);
        if let Some(&idx) = self.by_key.get(&key) {
            return Ok(idx);
        }
        let refused = |refusal: Refusal| FileError::row(self.path, place, refusal.to_string());
        let bytes: Vec<(&[u8], &[u8])> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let labels = validate(&bytes, self.limits).map_err(refused)?;
        self.label_bytes += labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if self.label_bytes > MAX_LABEL_BYTES {
            let problem =
                format!("the labels of the file's series have more than {} MiB; split the file", MAX_LABEL_BYTES >> 20);
            return Err(FileError::row(self.path, place, problem));
        }
        if self.labels.len() >= self.max_series {
            let series = labels.to_string();
            return Err(refused(Refusal::SeriesLimit { series, limit: self.max_series }));
        }
        self.labels.push(labels);
        self.by_key.insert(key, self.labels.len() - 1);
        Ok(self.labels.len() - 1)
    }
}
