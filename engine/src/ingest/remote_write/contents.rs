//! Contents of a decoded message, which the decoders of both versions fill.

use std::ops::Range;

use super::{
    WireError,
    histogram::{self, Decoded},
};
use crate::series::stale_marker;

/// Contents of a decoded message; labels and texts are byte ranges of it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// 1.0: label fields of entries in which they are not contiguous, concatenated.
    pub(super) joined: Vec<u8>,
    /// 2.0: byte range of each symbol in the message.
    pub(super) symbols: Vec<Range<u32>>,
    /// 2.0: label references, entry after entry.
    pub(super) references: Vec<u32>,
    pub(super) entries: Vec<Entry>,
    pub(super) timestamps: Vec<i64>,
    pub(super) values: Vec<f64>,
    /// Histograms with their times, entry after entry.
    pub(super) histograms: Vec<(i64, Decoded)>,
    /// Weight of the histograms in samples of 16 bytes.
    pub(super) weight: usize,
    /// Exemplars, entry after entry.
    pub(super) exemplars: Vec<RawExemplar>,
    /// Indices of the samples that are stale markers of histograms.
    pub(super) stale_histograms: Vec<usize>,
    pub(super) metadata: Vec<RawMetadata>,
}

impl Contents {
    /// Removes everything but keeps the buffers.
    pub(super) fn clear(&mut self) {
        self.joined.clear();
        self.symbols.clear();
        self.references.clear();
        self.entries.clear();
        self.timestamps.clear();
        self.values.clear();
        self.metadata.clear();
        self.histograms.clear();
        self.weight = 0;
        self.exemplars.clear();
        self.stale_histograms.clear();
    }
}

/// Largest number of metadata entries of a request; further ones are skipped, because a store keeps no more metrics.
const MAX_METADATA: usize = 100_000;

/// Limits on the number of parts of a request. A part may take one or two bytes of the message but some twenty to forty
/// in memory, so that the size of the message alone does not bound the memory. Real requests are far below them.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartLimits {
    samples: usize,
    entries: usize,
    symbols: usize,
    references: usize,
}

impl PartLimits {
    /// Returns the limit on the number of series.
    pub(super) fn series(&self) -> usize {
        self.entries
    }

    /// Returns the limits for messages of up to `decoded_limit` bytes: a real sample has at least 9 bytes, a series
    /// with labels 20, a symbol 4 on average.
    pub(super) fn of(decoded_limit: usize) -> Self {
        let at_least = |parts: usize| parts.max(1_000);
        Self {
            samples: at_least(decoded_limit / 8),
            entries: at_least(decoded_limit / 16),
            symbols: at_least(decoded_limit / 8),
            references: at_least(decoded_limit / 2),
        }
    }
}

impl Contents {
    /// Rejects a message with more parts than the limits; called after each field that adds some.
    #[inline]
    pub(super) fn check(&self, limits: &PartLimits) -> Result<(), WireError> {
        let within = self.timestamps.len() + self.weight <= limits.samples
            && self.entries.len() <= limits.entries
            && self.symbols.len() <= limits.symbols
            && self.references.len() <= limits.references;
        if within { Ok(()) } else { Err(self.too_many(limits)) }
    }

    /// Rejects a series whose samples exceed the limit of the request; called after each sample.
    #[inline]
    pub(super) fn check_samples(&self, limits: &PartLimits) -> Result<(), WireError> {
        if self.timestamps.len() + self.weight <= limits.samples { Ok(()) } else { Err(self.too_many(limits)) }
    }

    #[cold]
    fn too_many(&self, limits: &PartLimits) -> WireError {
        let parts = [
            ("samples", self.timestamps.len() + self.weight, limits.samples),
            ("series", self.entries.len(), limits.entries),
            ("symbols", self.symbols.len(), limits.symbols),
            ("label references", self.references.len(), limits.references),
        ];
        let (what, limit) = parts
            .into_iter()
            .find(|(_, count, limit)| count > limit)
            .map_or(("samples", limits.samples), |(what, _, limit)| (what, limit));
        WireError::TooManyParts { what, limit }
    }

    /// Decodes a histogram of the current series. Its stale marker is a sample, as that of a float is.
    pub(super) fn push_histogram(&mut self, message: &[u8], limits: &PartLimits) -> Result<(), WireError> {
        match histogram::decode(message)? {
            (timestamp_ms, Decoded::Stale) => {
                self.stale_histograms.push(self.timestamps.len());
                self.timestamps.push(timestamp_ms);
                self.values.push(stale_marker());
            }
            (timestamp_ms, decoded) => {
                self.weight += match &decoded {
                    Decoded::Histogram(histogram) => histogram.weight(),
                    Decoded::Stale | Decoded::Invalid(_) => 4,
                };
                self.histograms.push((timestamp_ms, decoded));
            }
        }
        self.check_samples(limits)
    }

    /// Adds an exemplar of the current series. Those beyond the limit of samples are an error.
    pub(super) fn push_exemplar(&mut self, exemplar: RawExemplar, limits: &PartLimits) -> Result<(), WireError> {
        self.exemplars.push(exemplar);
        self.weight += 2;
        self.check_samples(limits)
    }

    /// Adds metadata, up to the limit.
    pub(super) fn push_metadata(&mut self, raw: RawMetadata) {
        if self.metadata.len() < MAX_METADATA {
            self.metadata.push(raw);
        }
    }

    /// Returns the memory of the buffers in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.joined.capacity()
            + self.symbols.capacity() * size_of::<Range<u32>>()
            + self.references.capacity() * size_of::<u32>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.timestamps.capacity() * size_of::<i64>()
            + self.values.capacity() * size_of::<f64>()
            + self.metadata.capacity() * size_of::<RawMetadata>()
            + self.histograms.capacity() * size_of::<(i64, Decoded)>()
            + self.exemplars.capacity() * size_of::<RawExemplar>()
            + self.stale_histograms.capacity() * size_of::<usize>()
    }
}

/// Type, name, description and unit of a metric; the texts are byte ranges of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawMetadata {
    /// Number of the type, the same in both versions.
    pub(super) number: u64,
    pub(super) name: Range<u32>,
    pub(super) help: Range<u32>,
    pub(super) unit: Range<u32>,
}

/// An exemplar; its labels are in the message.
#[derive(Debug, Clone)]
pub(super) struct RawExemplar {
    pub(super) labels: RawLabels,
    pub(super) value: f64,
    pub(super) timestamp_ms: i64,
}

/// Numbers of the parts of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartCounts {
    samples: usize,
    histograms: usize,
    exemplars: usize,
}

impl Contents {
    /// Returns the numbers of parts so far, before the parts of a series are decoded.
    pub(super) fn counts(&self) -> PartCounts {
        let (samples, histograms, exemplars) = (self.timestamps.len(), self.histograms.len(), self.exemplars.len());
        PartCounts { samples, histograms, exemplars }
    }

    /// Whether a series has no parts since `before`.
    pub(super) fn has_none_since(&self, before: PartCounts) -> bool {
        self.counts() == before
    }

    /// Adds an entry with the parts since `before`.
    pub(super) fn push_entry(&mut self, labels: RawLabels, before: PartCounts) {
        self.entries.push(Entry {
            labels,
            samples: position(self.timestamps.len() - before.samples),
            histograms: position(self.histograms.len() - before.histograms),
            exemplars: position(self.exemplars.len() - before.exemplars),
        });
    }
}

/// One series entry of a request that has samples, histograms or exemplars; a series may have several entries.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(super) labels: RawLabels,
    /// Number of samples of the columns that belong to the entry.
    pub samples: u32,
    /// Number of its histograms.
    pub(in crate::ingest) histograms: u32,
    /// Number of its exemplars.
    pub(in crate::ingest) exemplars: u32,
}

/// Labels as the sender wrote them, not validated; equal bytes mean equal labels.
#[derive(Debug, Clone)]
pub(super) enum RawLabels {
    /// 1.0: range of the label fields in the message, including tags and lengths.
    InMessage(Range<u32>),
    /// 1.0: range of the label fields in `joined`.
    Joined(Range<u32>),
    /// 2.0: range of the reference pairs in `references`.
    References(Range<u32>),
}

/// Converts an offset in a message; messages of more than 4 GiB are rejected before decompression.
#[expect(clippy::cast_possible_truncation, reason = "`Request::decode` rejects messages of more than 4 GiB")]
pub(super) fn position(at: usize) -> u32 {
    at as u32
}
