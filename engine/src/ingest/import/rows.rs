//! The series of an import and the sinks that take its samples.

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

/// Name and value of labels, the metric's name among them.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The labels that the name of a series gives: the metric's name, and labels where it is written as Prometheus writes a
/// series. `fallback` is the metric's name where the series has labels alone, as Grafana writes `{job="api"}`.
pub(super) fn named<'a>(text: &'a str, fallback: Option<&'a str>) -> Pairs<'a> {
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

/// Samples of one series in the file's order.
pub(super) struct Samples<'a> {
    pub(super) timestamps: &'a [i64],
    pub(super) values: &'a [f64],
    /// Where a sample is in the file.
    pub(super) place: &'a dyn Fn(usize) -> Place,
}

/// Takes the samples of a file, those of a series in the file's order.
pub(super) trait Sink {
    /// Some samples of one series, at least one.
    fn samples(&mut self, labels: &Pairs<'_>, samples: &Samples<'_>) -> Result<(), FileError>;

    /// What the whole text stated about its metrics.
    fn stated(&mut self, _: &TextParser) {}
}

/// The distinct series of a file, numbered in the order of their first appearance.
pub(super) struct SeriesTable<'a> {
    path: &'a Path,
    limits: &'a IngestLimits,
    max_series: usize,
    hasher: SipHasher13,
    by_key: HashMap<u128, usize>,
    pub(super) labels: Vec<Labels>,
}

impl<'a> SeriesTable<'a> {
    pub(super) fn new(path: &'a Path, limits: &'a IngestLimits, max_series: usize) -> Self {
        let hasher = SipHasher13::new_with_keys(rand::random(), rand::random());
        Self { path, limits, max_series, hasher, by_key: HashMap::new(), labels: Vec::new() }
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

    /// The number of a series; its labels are checked when it is new.
    pub(super) fn index_of(&mut self, place: Place, pairs: &Pairs<'_>) -> Result<usize, FileError> {
        let key = self.key(pairs);
        if let Some(&idx) = self.by_key.get(&key) {
            return Ok(idx);
        }
        let refused = |refusal: Refusal| FileError::row(self.path, place, refusal.to_string());
        let bytes: Vec<(&[u8], &[u8])> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let labels = validate(&bytes, self.limits).map_err(refused)?;
        if self.labels.len() >= self.max_series {
            let series = labels.to_string();
            return Err(refused(Refusal::SeriesLimit { series, limit: self.max_series }));
        }
        self.labels.push(labels);
        self.by_key.insert(key, self.labels.len() - 1);
        Ok(self.labels.len() - 1)
    }
}
