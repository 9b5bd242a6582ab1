//! Contents of a decoded message, which the decoders of both versions fill.

use std::ops::Range;

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
