//! What a decoding process and the service send each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ImportFormat;
use crate::ingest::IngestLimits;

/// A file to decode.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) path: PathBuf,
    pub(super) format: Option<ImportFormat>,
    pub(super) name: Option<String>,
    pub(super) now_ms: i64,
    pub(super) limits: IngestLimits,
    pub(super) max_series: usize,
}

/// Message of the decoding process, in this order: `Checked`, `Series` …, `Samples` …, `Metadata`, `Done`; or `Failed`
/// instead of any of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Decoded {
    /// The whole file is valid.
    Checked { samples: u64, series: u64, span_ms: (i64, i64), notes: Vec<String> },
    /// Labels of the next series, in the order of their numbers.
    Series(Vec<Vec<(String, String)>>),
    /// Samples; the payload is that of [`pack`].
    Samples,
    /// Metadata that a text declares: metric, type, help and unit.
    Metadata(Vec<(String, String, String, String)>),
    /// The file is complete.
    Done,
    /// The file is invalid.
    Failed { message: String, is_large: bool },
}

/// Bytes of a sample: number of its series, timestamp and value.
const SAMPLE_BYTES: usize = 20;

/// Samples on their way: number of the series in the file, timestamp in epoch milliseconds, value.
pub(super) type Packed = Vec<(u32, i64, f64)>;

/// Returns the bytes of samples.
pub(super) fn pack(samples: &Packed) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(samples.len() * SAMPLE_BYTES);
    for (series, timestamp, value) in samples {
        bytes.extend_from_slice(&series.to_le_bytes());
        bytes.extend_from_slice(&timestamp.to_le_bytes());
        bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    }
    bytes
}

/// Calls `each` for every sample; a rest that is no sample is left out.
pub(super) fn unpack(bytes: &[u8]) -> impl Iterator<Item = (u32, i64, f64)> + '_ {
    let (samples, _) = bytes.as_chunks::<SAMPLE_BYTES>();
    samples.iter().map(|sample| {
        let [a, b, c, d, rest @ ..] = *sample;
        let (mut timestamp, mut value) = ([0; 8], [0; 8]);
        timestamp.copy_from_slice(&rest[..8]);
        value.copy_from_slice(&rest[8..]);
        let value = f64::from_bits(u64::from_le_bytes(value));
        (u32::from_le_bytes([a, b, c, d]), i64::from_le_bytes(timestamp), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_unpacked_bit_by_bit() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let samples = vec![(7, i64::MIN, 1.5), (u32::MAX, -1, stale), (0, i64::MAX, -0.0)];
        let bits = |all: &Packed| all.iter().map(|(s, t, v)| (*s, *t, v.to_bits())).collect::<Vec<_>>();
        assert_eq!(bits(&unpack(&pack(&samples)).collect()), bits(&samples));
    }
}
