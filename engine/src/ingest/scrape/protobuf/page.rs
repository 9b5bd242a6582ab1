//! A page in the protobuf format, its limits, and why it cannot be read.

use std::sync::Arc;

use super::exemplar::exemplar;
use crate::{
    histogram::{Histogram, HistogramError},
    ingest::{metadata::DeclaredMetadata, remote_write::WireError, text::PageExemplar},
    store::rows::MetricType,
};

/// Content type of the format.
pub(in crate::ingest::scrape) const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// Whether a content type is that of the format.
pub(in crate::ingest::scrape) fn is_protobuf(content_type: Option<&str>) -> bool {
    let media = content_type.and_then(|text| text.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/vnd.google.protobuf"))
}

/// Why a page cannot be read.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ProtobufError {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("metric family {number} has no name")]
    NoName { number: usize },
    #[error("a text of metric family {number} is not UTF-8")]
    NotUtf8 { number: usize },
    #[error("the native histogram {name:?} is invalid: {problem}")]
    Histogram { name: String, problem: HistogramError },
    #[error("the page has more than {limit} samples, which is the sample_limit")]
    TooMany { limit: usize },
    #[error("the series of the page have more than {limit} bytes as text, which is the limit of ingest.max_decoded")]
    TooLong { limit: usize },
}

/// Most exemplars of a page; further ones are left out.
const MAX_EXEMPLARS: usize = 10_000;

/// What a page may have. A few bytes of the message can be a series with long labels, so that the length of the message
/// does not bound the memory of the page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PageLimits {
    /// Samples.
    pub(crate) samples: usize,
    /// Bytes of all series as text.
    pub(crate) text_bytes: usize,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct ProtobufPage {
    pub(crate) samples: Vec<ProtobufSample>,
    pub(super) families: Vec<Family>,
    limits: PageLimits,
    text_bytes: usize,
    exemplars: usize,
}

/// A sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProtobufSample {
    /// The series as in the text format: `name{label="value"}`.
    pub(crate) series: String,
    /// Label whose value is a number.
    pub(crate) bound: Option<&'static str>,
    pub(crate) value: f64,
    /// The histogram instead of a value.
    pub(crate) histogram: Option<Arc<Histogram>>,
    /// Epoch milliseconds, if the sample has a time of its own.
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) exemplars: Vec<PageExemplar>,
}

/// Metadata of a family.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) metric_type: MetricType,
    pub(super) help: String,
    pub(super) unit: String,
}

impl ProtobufPage {
    pub(super) fn new(limits: PageLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Returns the declared metadata.
    pub(crate) fn declared(&self) -> impl Iterator<Item = DeclaredMetadata<'_>> {
        self.families.iter().map(|family| DeclaredMetadata {
            metric_type: family.metric_type,
            metric: family.name.as_bytes(),
            help: family.help.as_bytes(),
            unit: family.unit.as_bytes(),
        })
    }

    /// Adds a sample within the limits.
    pub(super) fn add(&mut self, sample: ProtobufSample) -> Result<(), ProtobufError> {
        self.text_bytes += sample.series.len();
        self.samples.push(sample);
        self.check(self.samples.len())?;
        let limit = self.limits.text_bytes;
        if self.text_bytes > limit { Err(ProtobufError::TooLong { limit }) } else { Ok(()) }
    }

    /// Rejects more parts than a page may have samples.
    pub(super) fn check(&self, parts: usize) -> Result<(), ProtobufError> {
        let limit = self.limits.samples;
        if parts > limit { Err(ProtobufError::TooMany { limit }) } else { Ok(()) }
    }

    /// Decodes an exemplar and adds it to those of a sample.
    pub(super) fn exemplar(&mut self, message: &[u8], of_sample: &mut Vec<PageExemplar>) -> Result<(), WireError> {
        if self.exemplars < MAX_EXEMPLARS
            && let Some(exemplar) = exemplar(message)?
        {
            self.exemplars += 1;
            of_sample.push(exemplar);
        }
        Ok(())
    }
}
