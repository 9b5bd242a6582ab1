//! A decoded remote-write request; labels stay where they are in the message.

use std::ops::Range;

use super::{Version, WireError, v1, v2};
use crate::ingest::metadata::{Stated, family, type_of_number};

/// A decoded remote-write request: series entries in the sender's order, their samples in columns.
///
/// Labels are kept as positions in the message, so that an entry costs no allocation; a request can
/// be decoded into again, and keeps its buffers.
#[derive(Debug, Default)]
pub struct Request {
    pub(super) version: Version,
    pub(super) message: Vec<u8>,
    /// Label fields of entries that do not have them in one piece, put together.
    pub(super) joined: Vec<u8>,
    /// 2.0: where each symbol is in the message.
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

/// Type, name, description and unit of a metric; the texts are positions in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawMetadata {
    /// The type's number, the same in both versions.
    pub(super) number: u64,
    pub(super) name: Range<u32>,
    pub(super) help: Range<u32>,
    pub(super) unit: Range<u32>,
}

/// One series entry of a request that has samples; a series may have several entries.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(super) labels: RawLabels,
    /// How many samples of the columns belong to the entry.
    pub samples: u32,
}

/// Labels as the sender wrote them, not yet checked: equal bytes mean equal labels.
#[derive(Debug, Clone)]
pub(super) enum RawLabels {
    /// 1.0: the label fields in the message, tags and lengths included.
    InMessage(Range<u32>),
    /// 1.0: the label fields in `joined`.
    Joined(Range<u32>),
    /// 2.0: the pairs of references in `references`.
    References(Range<u32>),
}

impl Request {
    /// Decodes a request: a snappy block that holds a message of the given version.
    ///
    /// The size that the block declares is checked against `decoded_limit` (bytes) before anything
    /// is unpacked. Labels are not looked at.
    ///
    /// # Errors
    /// [`WireError`]; the request then holds nothing that may be used.
    pub fn decode(&mut self, version: Version, body: &[u8], decoded_limit: usize) -> Result<(), WireError> {
        self.clear();
        self.version = version;
        let snappy = |error: snap::Error| WireError::Snappy { problem: error.to_string() };
        let decoded = snap::raw::decompress_len(body).map_err(snappy)?;
        if decoded > decoded_limit || u32::try_from(decoded).is_err() {
            return Err(WireError::TooLarge { decoded, limit: decoded_limit });
        }
        // Growing zeroes the new part; a buffer that is large enough is neither zeroed nor copied.
        if self.message.len() < decoded {
            self.message.resize(decoded, 0);
        }
        snap::raw::Decoder::new().decompress(body, &mut self.message[..decoded]).map_err(snappy)?;
        // The columns of the request before have gone to the store; the next one is likely as long.
        let likely = self.entries.capacity().min(1 << 16);
        self.timestamps.reserve(likely);
        self.values.reserve(likely);
        let message = std::mem::take(&mut self.message);
        let result = match version {
            Version::V1 => v1::walk(&message[..decoded], self),
            Version::V2 => v2::walk(&message[..decoded], self),
        };
        self.message = message;
        result
    }

    fn clear(&mut self) {
        // A buffer that one huge request made is freed.
        if self.message.capacity() > 4 << 20 {
            self.message = Vec::new();
        }
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

    /// The version that was decoded.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The series entries that have samples.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Epoch milliseconds of the samples, entry after entry.
    #[must_use]
    pub fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    /// The values, entry after entry; stale markers keep their bits.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// How many native histogram samples there were.
    #[must_use]
    pub fn histograms(&self) -> u64 {
        self.histograms
    }

    /// How many exemplars there were.
    #[must_use]
    pub fn exemplars(&self) -> u64 {
        self.exemplars
    }

    /// The metadata of the request; a metric may occur several times.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = Stated<'_>> {
        self.metadata.iter().map(|raw| {
            let text = |range: &Range<u32>| &self.message[span(range)];
            let metric_type = type_of_number(raw.number);
            let metric = family(metric_type, text(&raw.name));
            Stated { metric_type, metric, help: text(&raw.help), unit: text(&raw.unit) }
        })
    }

    /// Takes the columns of timestamps and values out.
    pub(crate) fn take_columns(&mut self) -> (Vec<i64>, Vec<f64>) {
        (std::mem::take(&mut self.timestamps), std::mem::take(&mut self.values))
    }

    /// Name and value of each label of an entry, as bytes in the sender's order.
    ///
    /// # Errors
    /// [`WireError`] when the label fields of a 1.0 entry are malformed.
    pub fn labels<'a>(&'a self, entry: &Entry, out: &mut Vec<(&'a [u8], &'a [u8])>) -> Result<(), WireError> {
        out.clear();
        match &entry.labels {
            RawLabels::InMessage(range) => v1::labels(&self.message[span(range)], out),
            RawLabels::Joined(range) => v1::labels(&self.joined[span(range)], out),
            RawLabels::References(range) => {
                let symbol = |reference: u32| &self.message[span(&self.symbols[reference as usize])];
                let pairs = self.references[span(range)].chunks_exact(2);
                out.extend(pairs.map(|pair| (symbol(pair[0]), symbol(pair[1]))));
                Ok(())
            }
        }
    }

    /// Hands each entry's key material to `visit`: bytes that are equal for equal labels of one version.
    ///
    /// `symbol_hash` is called once for each symbol of a 2.0 request.
    pub(crate) fn keys(&self, symbol_hash: impl Fn(&[u8]) -> [u8; 16], mut visit: impl FnMut(&[u8])) {
        let hashes: Vec<[u8; 16]> =
            self.symbols.iter().map(|symbol| symbol_hash(&self.message[span(symbol)])).collect();
        let mut scratch = Vec::new();
        for entry in &self.entries {
            match &entry.labels {
                RawLabels::InMessage(range) => visit(&self.message[span(range)]),
                RawLabels::Joined(range) => visit(&self.joined[span(range)]),
                RawLabels::References(range) => {
                    scratch.clear();
                    for &reference in &self.references[span(range)] {
                        scratch.extend_from_slice(&hashes[reference as usize]);
                    }
                    visit(&scratch);
                }
            }
        }
    }
}

fn span(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// A position in a message; messages of more than 4 GiB are refused before they are unpacked.
#[expect(clippy::cast_possible_truncation, reason = "`Request::decode` refuses messages of more than 4 GiB")]
pub(super) fn position(at: usize) -> u32 {
    at as u32
}
