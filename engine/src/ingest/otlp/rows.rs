//! Series and samples of an export before they have numbers in the store: labels as text, samples in columns.

use std::{collections::BTreeMap, ops::Range};

use super::OtlpError;
use crate::{histogram::Histogram, ingest::text::PageExemplar, series::METRIC_NAME};

/// Most exemplars of an export; further ones are left out.
const MAX_EXEMPLARS: usize = 10_000;

/// Separators of encoded labels; neither byte occurs in UTF-8.
const AFTER_NAME: u8 = 0xff;
const AFTER_VALUE: u8 = 0xfe;

/// A point of no data point: `target_info`, and series made of spans and log records.
pub(crate) const NO_POINT: u32 = u32::MAX;

/// Encoded labels that several series have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelText(Vec<u8>);

impl LabelText {
    /// Encodes labels.
    pub(crate) fn new(labels: &BTreeMap<String, String>) -> Self {
        let mut text = Vec::new();
        for (name, value) in labels {
            // The metric's own name is added with each series.
            if name != METRIC_NAME {
                add(name, value, &mut text);
            }
        }
        Self(text)
    }

    /// Returns the bytes, for a key of a stream.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn add(name: &str, value: &str, text: &mut Vec<u8>) {
    text.extend_from_slice(name.as_bytes());
    text.push(AFTER_NAME);
    text.extend_from_slice(value.as_bytes());
    text.push(AFTER_VALUE);
}

/// Splits encoded labels into names and values.
pub(crate) fn split(text: &[u8]) -> Vec<(&[u8], &[u8])> {
    text.split(|byte| *byte == AFTER_VALUE)
        .filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == AFTER_NAME)?;
            Some((&pair[..at], &pair[at + 1..]))
        })
        .collect()
}

/// Series of an export, each with its samples.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Largest memory in bytes.
    limit: usize,
    is_full: bool,
    /// Length of all labels that were built, also of those that were not added.
    built: usize,
    text: Vec<u8>,
    series: Vec<Row>,
    pub(crate) timestamps: Vec<i64>,
    pub(crate) values: Vec<f64>,
    /// Native histograms with their times, series after series.
    pub(crate) histograms: Vec<(i64, Histogram)>,
    /// Memory of the histograms in bytes.
    histogram_bytes: usize,
    /// Exemplars with the number of their series.
    pub(crate) exemplars: Vec<(usize, PageExemplar)>,
}

/// A series of an export.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    labels: Range<usize>,
    /// Number of its samples.
    pub(crate) samples: usize,
    /// Number of its native histograms.
    pub(crate) histograms: usize,
    /// Number of the data point that the samples belong to.
    pub(crate) point: u32,
}

impl Rows {
    /// Returns no series, with a limit on their memory in bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            is_full: false,
            built: 0,
            text: Vec::new(),
            series: Vec::new(),
            timestamps: Vec::new(),
            values: Vec::new(),
            histograms: Vec::new(),
            histogram_bytes: 0,
            exemplars: Vec::new(),
        }
    }

    /// Whether series were left out because of the limit.
    ///
    /// # Errors
    /// [`OtlpError::TooManySeries`].
    pub(crate) fn check(&self) -> Result<(), OtlpError> {
        if self.is_full { Err(OtlpError::TooManySeries { limit: self.limit }) } else { Ok(()) }
    }

    /// Counts labels that are built. A point of a few bytes has all labels of its resource.
    pub(crate) fn count_built(&mut self, labels: &LabelText) {
        self.built = self.built.saturating_add(labels.0.len());
        self.is_full |= self.built > self.limit;
    }

    /// Adds a series of a metric: the common labels, and a further one if there is one. Adds nothing above the limit.
    pub(crate) fn push(
        &mut self,
        point: u32,
        name: &str,
        (common, further): (&LabelText, Option<(&str, &str)>),
        samples: &[(i64, f64)],
    ) {
        if self.bytes() + name.len() + common.0.len() + samples.len() * 16 > self.limit {
            self.is_full = true;
            return;
        }
        let start = self.text.len();
        add(METRIC_NAME, name, &mut self.text);
        let Some((further_name, value)) = further else {
            self.text.extend_from_slice(&common.0);
            return self.close(start, point, samples);
        };
        // An attribute called `le` or `quantile` gives way.
        let taken = split(&common.0).iter().any(|(name, _)| *name == further_name.as_bytes());
        if taken {
            for (name, value) in split(&common.0).into_iter().filter(|(name, _)| *name != further_name.as_bytes()) {
                for (part, end) in [(name, AFTER_NAME), (value, AFTER_VALUE)] {
                    self.text.extend_from_slice(part);
                    self.text.push(end);
                }
            }
        } else {
            self.text.extend_from_slice(&common.0);
        }
        add(further_name, value, &mut self.text);
        self.close(start, point, samples);
    }

    /// Adds a series of native histograms. Adds nothing above the limit.
    pub(crate) fn push_histograms(
        &mut self,
        point: u32,
        name: &str,
        labels: &LabelText,
        histograms: Vec<(i64, Histogram)>,
    ) {
        let bytes: usize = histograms.iter().map(|(_, histogram)| histogram.weight() * 16).sum();
        if self.bytes() + name.len() + labels.0.len() + bytes > self.limit {
            self.is_full = true;
            return;
        }
        let start = self.text.len();
        add(METRIC_NAME, name, &mut self.text);
        self.text.extend_from_slice(&labels.0);
        let labels = start..self.text.len();
        self.series.push(Row { labels, samples: 0, histograms: histograms.len(), point });
        self.histogram_bytes += bytes;
        self.histograms.extend(histograms);
    }

    /// Adds an exemplar of the series that was added last. Adds nothing above the limit.
    pub(crate) fn push_exemplar(&mut self, exemplar: PageExemplar) {
        let Some(series) = self.series.len().checked_sub(1) else { return };
        if !self.is_full && self.exemplars.len() < MAX_EXEMPLARS {
            self.exemplars.push((series, exemplar));
        }
    }

    fn close(&mut self, start: usize, point: u32, samples: &[(i64, f64)]) {
        self.series.push(Row { labels: start..self.text.len(), samples: samples.len(), histograms: 0, point });
        for (timestamp_ms, value) in samples {
            self.timestamps.push(*timestamp_ms);
            self.values.push(*value);
        }
    }

    /// Returns the series in the order of their samples.
    pub(crate) fn series(&self) -> &[Row] {
        &self.series
    }

    /// Returns the encoded labels of a series.
    pub(crate) fn labels(&self, row: &Row) -> &[u8] {
        &self.text[row.labels.clone()]
    }

    /// Returns the length of all labels and samples in bytes.
    fn bytes(&self) -> usize {
        self.text.len() + self.series.len() * size_of::<Row>() + self.timestamps.len() * 16 + self.histogram_bytes
    }
}
