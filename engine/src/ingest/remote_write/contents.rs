//! Contents of a decoded message, which the decoders of both versions fill.

use std::ops::Range;

use super::WireError;

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
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
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
        self.histograms = 0;
        self.exemplars = 0;
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
        let within = self.timestamps.len() <= limits.samples
            && self.entries.len() <= limits.entries
            && self.symbols.len() <= limits.symbols
            && self.references.len() <= limits.references;
        if within { Ok(()) } else { Err(self.too_many(limits)) }
    }

    /// Rejects a series whose samples exceed the limit of the request; called after each sample.
    #[inline]
    pub(super) fn check_samples(&self, limits: &PartLimits) -> Result<(), WireError> {
        if self.timestamps.len() <= limits.samples { Ok(()) } else { Err(self.too_many(limits)) }
    }

    #[cold]
    fn too_many(&self, limits: &PartLimits) -> WireError {
        let parts = [
            ("samples", self.timestamps.len(), limits.samples),
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

/// One series entry of a request that has samples; a series may have several entries.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(super) labels: RawLabels,
    /// Number of samples of the columns that belong to the entry.
    pub samples: u32,
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
