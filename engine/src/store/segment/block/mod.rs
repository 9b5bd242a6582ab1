//! Compressed blocks: the rows of cold segments. A block has up to [`MAX_SAMPLES`] consecutive samples of one series.
//!
//! | column | contents |
//! |---|---|
//! | `series_id` | the series |
//! | `begin_at`, `end_at`, `count` | first and last timestamp, number of samples |
//! | `timestamps` | empty: evenly spaced. Else a byte for the encoding, and the timestamps |
//! | `values` | a byte for the encoding, and the values as 64-bit floats with their NaN payloads |
//! | `checksum` | of the other columns |
//!
//! Numbers are encoded by [pco](https://docs.rs/pco) ("Pcodec: Better Compression for Numerical Sequences", Loncaric,
//! Jeppesen, Zinberg 2025) from [`MIN_ENCODED`] samples on. Shorter blocks are stored as they are: encoding one takes about
//! 30 µs whatever its length, and later merges make them longer. All encodings are lossless.

mod buckets;
mod decode;
mod encode;
mod functions;
mod rows;
mod threads;

#[cfg(test)]
mod tests;

pub(in crate::store) use decode::{BlockError, BlockRef};
pub(super) use encode::{encode, encode_all};
pub(in crate::store) use functions::register;
pub(super) use rows::{Appender, create_table, stored_bytes};
pub(in crate::store) use rows::{COLUMNS, DEFINITION, buckets_of, each, samples_of};

/// Largest number of samples of a block: four hours at 10 s. Longer blocks are hardly smaller, and a query of an hour
/// would decode more that it does not need.
pub(in crate::store) const MAX_SAMPLES: usize = 1_440;

/// Length of encoded values from which DuckDB stores them outside of the rows, in blocks of the file that are only partly used.
/// Samples that would take more are divided.
const MAX_BYTES: usize = 4_000;

/// Number of samples from which numbers are encoded by pco.
const MIN_ENCODED: usize = 96;

/// First byte of encoded timestamps.
mod timestamp_encoding {
    /// Distances from the first timestamp in milliseconds, 32 bits each.
    pub(super) const OFFSETS: u8 = 1;
    /// Timestamps, 64 bits each.
    pub(super) const PLAIN: u8 = 2;
    /// Timestamps by pco.
    pub(super) const PCO: u8 = 3;
}

/// First byte of encoded values.
mod value_encoding {
    /// One value, which all samples have.
    pub(super) const CONSTANT: u8 = 1;
    /// Values, 64 bits each.
    pub(super) const PLAIN: u8 = 2;
    /// Values by pco, after the values that are apart.
    ///
    /// Values that are not finite are apart from the others: their number (16 bits), then the place (16 bits) and the value
    /// (64 bits) of each; the value before is in their places. One NaN among whole numbers would otherwise take two thirds
    /// more bytes for all of them.
    pub(super) const PCO: u8 = 3;
    /// The same with whole numbers: a byte with the number of decimals, the values that are apart, and the values times ten to
    /// that power by pco. They take 5 % fewer bytes than as floats.
    pub(super) const DECIMAL: u8 = 4;
}

/// Powers of ten by which values are multiplied to be whole numbers.
const POWERS: [f64; 5] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];

/// An encoded block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Block {
    pub(in crate::store) series: u32,
    /// First and last timestamp, in epoch milliseconds.
    pub(in crate::store) begin: i64,
    pub(in crate::store) end: i64,
    /// Number of samples, at least one.
    pub(in crate::store) count: u32,
    pub(in crate::store) timestamps: Vec<u8>,
    pub(in crate::store) values: Vec<u8>,
    pub(in crate::store) checksum: u32,
}

impl Block {
    pub(in crate::store) fn as_ref(&self) -> BlockRef<'_> {
        BlockRef {
            series: self.series,
            begin: self.begin,
            end: self.end,
            count: self.count,
            timestamps: &self.timestamps,
            values: &self.values,
            checksum: self.checksum,
        }
    }
}
