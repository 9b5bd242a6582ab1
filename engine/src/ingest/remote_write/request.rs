//! A decoded remote-write request; labels stay in the message as byte ranges.

use std::ops::Range;

use super::{
    Version, WireError,
    contents::{Contents, Entry, PartLimits, RawLabels},
    histogram::Decoded,
    v1, v2,
};
use crate::ingest::metadata::{DeclaredMetadata, family, type_of_number};

/// Names and values of labels, in the order of the sender.
type LabelPairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// A decoded remote-write request: series entries in the sender's order, with their samples in columns.
///
/// Labels are byte ranges of the message, so that an entry needs no allocation. A request can be reused for decoding,
/// which keeps its buffers.
#[derive(Debug, Default)]
pub struct Request {
    version: Version,
    message: Vec<u8>,
    contents: Contents,
}

impl Request {
    /// Decodes a request: a snappy block with a message of the given version.
    ///
    /// The declared size of the block is checked against `decoded_limit` (bytes) before decompression. Labels are not
    /// parsed.
    ///
    /// # Errors
    /// [`WireError`]; the contents of the request must not be used then.
    pub fn decode(&mut self, version: Version, body: &[u8], decoded_limit: usize) -> Result<(), WireError> {
        self.clear();
        self.version = version;
        let snappy = |error: snap::Error| WireError::Snappy { problem: error.to_string() };
        let decoded = snap::raw::decompress_len(body).map_err(snappy)?;
        if decoded > decoded_limit || u32::try_from(decoded).is_err() {
            return Err(WireError::TooLarge { decoded, limit: decoded_limit });
        }
        // Only growth of the buffer zeroes memory; a buffer that is large enough is reused as it is.
        if self.message.len() < decoded {
            self.message.resize(decoded, 0);
        }
        snap::raw::Decoder::new().decompress(body, &mut self.message[..decoded]).map_err(snappy)?;
        // The previous request's columns were moved to the store; a similar length is likely.
        let likely = self.contents.entries.capacity().min(1 << 16);
        self.contents.timestamps.reserve(likely);
        self.contents.values.reserve(likely);
        let limits = PartLimits::of(decoded_limit);
        match version {
            Version::V1 => v1::walk(&self.message[..decoded], &mut self.contents, &limits),
            Version::V2 => v2::walk(&self.message[..decoded], &mut self.contents, &limits),
        }
    }

    fn clear(&mut self) {
        self.contents.clear();
    }

    /// Returns the memory of the request's buffers in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.message.capacity() + self.contents.capacity()
    }

    /// Returns the size in bytes that a snappy block declares for its contents; `None` if it is not a snappy block.
    #[must_use]
    pub fn declared_bytes(body: &[u8]) -> Option<usize> {
        snap::raw::decompress_len(body).ok()
    }

    /// Returns the version of the decoded message.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the series entries that have samples.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.contents.entries
    }

    /// Returns the timestamps of the samples in epoch milliseconds, entry after entry.
    #[must_use]
    pub fn timestamps(&self) -> &[i64] {
        &self.contents.timestamps
    }

    /// Returns the values, entry after entry; stale markers keep their bits.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.contents.values
    }

    /// Returns the number of native histogram samples.
    #[must_use]
    pub fn histograms(&self) -> u64 {
        self.contents.histograms.len() as u64
    }

    /// Takes the histograms with their times, entry after entry.
    pub(in crate::ingest) fn take_histograms(&mut self) -> Vec<(i64, Decoded)> {
        std::mem::take(&mut self.contents.histograms)
    }

    /// Returns the weight of histograms and exemplars in samples.
    pub(in crate::ingest) fn weight(&self) -> usize {
        self.contents.weight
    }

    /// Returns the indices of the samples that are stale markers of histograms.
    pub(in crate::ingest) fn stale_histograms(&self) -> &[usize] {
        &self.contents.stale_histograms
    }

    /// Returns labels, value and time in epoch milliseconds of an exemplar by its number in the request; `None` beyond the
    /// last, or if the labels are malformed.
    pub(in crate::ingest) fn exemplar(&self, idx: usize) -> Option<(LabelPairs<'_>, f64, i64)> {
        let exemplar = self.contents.exemplars.get(idx)?;
        let mut pairs = Vec::new();
        self.pairs(&exemplar.labels, &mut pairs).ok()?;
        Some((pairs, exemplar.value, exemplar.timestamp_ms))
    }

    /// Returns the number of exemplars.
    #[must_use]
    pub fn exemplars(&self) -> u64 {
        self.contents.exemplars.len() as u64
    }

    /// Returns the metadata of the request; a metric may occur several times.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = DeclaredMetadata<'_>> {
        self.contents.metadata.iter().map(|raw| {
            let text = |range: &Range<u32>| &self.message[span(range)];
            let metric_type = type_of_number(raw.number);
            let metric = family(metric_type, text(&raw.name));
            DeclaredMetadata { metric_type, metric, help: text(&raw.help), unit: text(&raw.unit) }
        })
    }

    /// Takes the columns of timestamps and values.
    pub(crate) fn take_columns(&mut self) -> (Vec<i64>, Vec<f64>) {
        (std::mem::take(&mut self.contents.timestamps), std::mem::take(&mut self.contents.values))
    }

    /// Collects name and value of each label of an entry, as bytes in the sender's order.
    ///
    /// # Errors
    /// [`WireError`] when the label fields of a 1.0 entry are malformed.
    pub fn labels<'a>(&'a self, entry: &Entry, out: &mut Vec<(&'a [u8], &'a [u8])>) -> Result<(), WireError> {
        self.pairs(&entry.labels, out)
    }

    fn pairs<'a>(&'a self, labels: &RawLabels, out: &mut Vec<(&'a [u8], &'a [u8])>) -> Result<(), WireError> {
        out.clear();
        match labels {
            RawLabels::InMessage(range) => v1::labels(&self.message[span(range)], out),
            RawLabels::Joined(range) => v1::labels(&self.contents.joined[span(range)], out),
            RawLabels::References(range) => {
                let symbol = |reference: u32| &self.message[span(&self.contents.symbols[reference as usize])];
                let pairs = self.contents.references[span(range)].chunks_exact(2);
                out.extend(pairs.map(|pair| (symbol(pair[0]), symbol(pair[1]))));
                Ok(())
            }
        }
    }

    /// Calls `visit` with the key material of each entry: bytes that are equal for equal labels of one version.
    ///
    /// `symbol_hash` is called once per symbol of a 2.0 request.
    pub(crate) fn keys(&self, symbol_hash: impl Fn(&[u8]) -> [u8; 16], mut visit: impl FnMut(&[u8])) {
        let hashes: Vec<[u8; 16]> =
            self.contents.symbols.iter().map(|symbol| symbol_hash(&self.message[span(symbol)])).collect();
        let mut scratch = Vec::new();
        for entry in &self.contents.entries {
            match &entry.labels {
                RawLabels::InMessage(range) => visit(&self.message[span(range)]),
                RawLabels::Joined(range) => visit(&self.contents.joined[span(range)]),
                RawLabels::References(range) => {
                    scratch.clear();
                    for &reference in &self.contents.references[span(range)] {
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
