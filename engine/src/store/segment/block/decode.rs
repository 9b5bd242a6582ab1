//! Decodes blocks. Damaged bytes give an error.

use std::hash::Hasher;

use bytemuck::cast_slice_mut;
use pco::{data_types::Number, standalone::simple_decompress_into};
use twox_hash::XxHash64;

use super::{Block, POWERS, timestamp_encoding, value_encoding};

/// Largest number of samples of a block that is accepted; damaged bytes must not make a decoder reserve more.
const MAX_COUNT: u32 = 1 << 16;

/// A block that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a block of samples is damaged: {0}")]
pub(in crate::store) struct BlockError(pub(super) &'static str);

/// A block, as it is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct BlockRef<'a> {
    pub(in crate::store) series: u32,
    pub(in crate::store) begin: i64,
    pub(in crate::store) end: i64,
    pub(in crate::store) count: u32,
    pub(in crate::store) timestamps: &'a [u8],
    pub(in crate::store) values: &'a [u8],
    pub(in crate::store) checksum: u32,
}

impl BlockRef<'_> {
    pub(in crate::store) fn to_owned(self) -> Block {
        Block {
            series: self.series,
            begin: self.begin,
            end: self.end,
            count: self.count,
            timestamps: self.timestamps.to_vec(),
            values: self.values.to_vec(),
            checksum: self.checksum,
        }
    }

    /// Returns the checksum of the columns besides `checksum`.
    pub(super) fn computed_checksum(&self) -> u32 {
        let mut hash = XxHash64::with_seed(u64::from(self.series));
        hash.write(&self.begin.to_le_bytes());
        hash.write(&self.end.to_le_bytes());
        hash.write(&self.count.to_le_bytes());
        hash.write(self.timestamps);
        hash.write(self.values);
        #[expect(clippy::cast_possible_truncation, reason = "half of the hash is kept")]
        let half = hash.finish() as u32;
        half
    }

    /// Appends the timestamps and values of the samples.
    ///
    /// # Errors
    /// The checksum differs, or the bytes cannot be decoded; then nothing is appended.
    pub(in crate::store) fn decode(&self, timestamps: &mut Vec<i64>, values: &mut Vec<f64>) -> Result<(), BlockError> {
        let before = timestamps.len();
        self.decode_timestamps(timestamps)?;
        appended(values, self.count, |values| decode_values(self.values, values))
            .inspect_err(|_| timestamps.truncate(before))
    }

    /// Appends the timestamps only.
    ///
    /// # Errors
    /// As [`BlockRef::decode`].
    pub(in crate::store) fn decode_timestamps(&self, timestamps: &mut Vec<i64>) -> Result<(), BlockError> {
        self.check()?;
        appended(timestamps, self.count, |out| decode_timestamps(self.begin, self.end, self.timestamps, out))
    }

    /// Checks the checksum.
    ///
    /// # Errors
    /// It differs.
    pub(in crate::store) fn check(&self) -> Result<(), BlockError> {
        if self.computed_checksum() == self.checksum { Ok(()) } else { Err(BlockError("its checksum differs")) }
    }
}

/// Extends `out` by `count` elements, which `decode` writes; by none if it fails.
pub(super) fn appended<T: Default + Clone>(
    out: &mut Vec<T>,
    count: u32,
    decode: impl FnOnce(&mut [T]) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let before = out.len();
    out.resize(before + length(count)?, T::default());
    decode(&mut out[before..]).inspect_err(|_| out.truncate(before))
}

/// Returns the number of samples of a block.
///
/// # Errors
/// No block has that number.
pub(super) fn length(count: u32) -> Result<usize, BlockError> {
    if count == 0 || count > MAX_COUNT { Err(BlockError("its number of samples is wrong")) } else { Ok(count as usize) }
}

/// Writes the timestamps of a block; `out` has as many elements as the block, at least one.
pub(super) fn decode_timestamps(begin: i64, end: i64, bytes: &[u8], out: &mut [i64]) -> Result<(), BlockError> {
    let wrong = BlockError("its timestamps cannot be read");
    let Some((encoding, rest)) = bytes.split_first() else {
        let span = end.checked_sub(begin).ok_or(wrong.clone())?;
        let intervals = i64::try_from(out.len() - 1).map_err(|_| wrong.clone())?;
        if span < 0 || (intervals > 0 && span % intervals != 0) || (intervals == 0 && span != 0) {
            return Err(wrong);
        }
        let step = if intervals == 0 { 0 } else { span / intervals };
        out.iter_mut().zip(0..).for_each(|(at, place)| *at = begin + place * step);
        return Ok(());
    };
    match *encoding {
        timestamp_encoding::OFFSETS => {
            copy(rest, out, |bytes| begin.saturating_add(i64::from(u32::from_le_bytes(bytes))))
        }
        timestamp_encoding::PLAIN => copy(rest, out, i64::from_le_bytes),
        timestamp_encoding::PCO => by_pco(rest, out),
        _ => None,
    }
    .ok_or(wrong)
}

/// Writes the values of a block; `out` has as many elements as the block.
pub(super) fn decode_values(bytes: &[u8], out: &mut [f64]) -> Result<(), BlockError> {
    let wrong = BlockError("its values cannot be read");
    let (encoding, rest) = bytes.split_first().ok_or(wrong.clone())?;
    match *encoding {
        value_encoding::CONSTANT => rest.try_into().ok().map(|value| out.fill(f64::from_le_bytes(value))),
        value_encoding::PLAIN => copy(rest, out, f64::from_le_bytes),
        value_encoding::PCO => numbers(rest, None, out),
        value_encoding::DECIMAL => decimals(rest, out),
        _ => None,
    }
    .ok_or(wrong)
}

/// Bytes of a value that is apart: its place and its bits.
const APART_BYTES: usize = 10;

fn decimals(bytes: &[u8], out: &mut [f64]) -> Option<()> {
    let (decimals, rest) = bytes.split_first()?;
    numbers(rest, Some(*POWERS.get(usize::from(*decimals))?), out)
}

/// Writes numbers by pco and those that are apart. With `power` the numbers are whole and are divided by it.
fn numbers(bytes: &[u8], power: Option<f64>, out: &mut [f64]) -> Option<()> {
    let (apart, rest) = bytes.split_first_chunk::<2>()?;
    let (head, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*apart)) * APART_BYTES)?;
    if let Some(power) = power {
        // The whole numbers are written to the places of the values that they become.
        by_pco(rest, cast_slice_mut::<f64, i64>(out))?;
        for value in &mut *out {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_wrap,
                reason = "whole numbers below 2^53 were encoded"
            )]
            let number = value.to_bits() as i64 as f64;
            *value = number / power;
        }
    } else {
        by_pco(rest, out)?;
    }
    for one in head.as_chunks::<APART_BYTES>().0 {
        let (place, bits) = one.split_first_chunk::<2>()?;
        *out.get_mut(usize::from(u16::from_le_bytes(*place)))? =
            f64::from_bits(u64::from_le_bytes(bits.try_into().ok()?));
    }
    Some(())
}

/// Writes elements of `N` bytes, if the bytes are exactly as many as `out` takes.
fn copy<const N: usize, T>(bytes: &[u8], out: &mut [T], element: impl Fn([u8; N]) -> T) -> Option<()> {
    let (groups, rest) = bytes.as_chunks::<N>();
    (rest.is_empty() && groups.len() == out.len())
        .then(|| out.iter_mut().zip(groups).for_each(|(out, bytes)| *out = element(*bytes)))
}

/// Writes numbers, if the bytes contain exactly as many as `out` takes.
fn by_pco<T: Number>(bytes: &[u8], out: &mut [T]) -> Option<()> {
    let progress = simple_decompress_into(bytes, out).ok()?;
    (progress.finished && progress.n_processed == out.len()).then_some(())
}
