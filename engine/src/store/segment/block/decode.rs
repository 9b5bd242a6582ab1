//! Decodes blocks. Damaged bytes give an error.

use std::hash::Hasher;

use pco::{data_types::Number, standalone::simple_decompress_into};
use twox_hash::XxHash64;

use super::{Block, POWERS, timestamp_encoding, value_encoding};

/// Largest number of samples of a block that is accepted; damaged bytes must not make a decoder reserve more.
const MAX_COUNT: u32 = 1 << 20;

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
        self.check()?;
        let before = timestamps.len();
        decode_timestamps(self.begin, self.end, self.count, self.timestamps, timestamps)?;
        decode_values(self.count, self.values, values).inspect_err(|_| timestamps.truncate(before))
    }

    /// Appends the timestamps only.
    ///
    /// # Errors
    /// As [`BlockRef::decode`].
    pub(in crate::store) fn decode_timestamps(&self, timestamps: &mut Vec<i64>) -> Result<(), BlockError> {
        self.check()?;
        decode_timestamps(self.begin, self.end, self.count, self.timestamps, timestamps)
    }

    /// Checks the checksum.
    ///
    /// # Errors
    /// It differs.
    pub(in crate::store) fn check(&self) -> Result<(), BlockError> {
        if self.computed_checksum() == self.checksum { Ok(()) } else { Err(BlockError("its checksum differs")) }
    }
}

/// Appends the timestamps of a block.
pub(super) fn decode_timestamps(
    begin: i64,
    end: i64,
    count: u32,
    bytes: &[u8],
    out: &mut Vec<i64>,
) -> Result<(), BlockError> {
    let wrong = BlockError("its timestamps cannot be read");
    if count == 0 || count > MAX_COUNT {
        return Err(BlockError("its number of samples is wrong"));
    }
    let Some((encoding, rest)) = bytes.split_first() else {
        let span = end.checked_sub(begin).ok_or(wrong.clone())?;
        let intervals = i64::from(count - 1);
        if span < 0 || (intervals > 0 && span % intervals != 0) || (intervals == 0 && span != 0) {
            return Err(wrong);
        }
        let step = if intervals == 0 { 0 } else { span / intervals };
        out.extend((0..=intervals).map(|place| begin + place * step));
        return Ok(());
    };
    match *encoding {
        timestamp_encoding::OFFSETS => {
            let offsets = fixed::<4>(rest, count).ok_or(wrong)?;
            out.extend(offsets.iter().map(|bytes| begin.saturating_add(i64::from(u32::from_le_bytes(*bytes)))));
            Ok(())
        }
        timestamp_encoding::PLAIN => {
            out.extend(fixed::<8>(rest, count).ok_or(wrong)?.iter().map(|bytes| i64::from_le_bytes(*bytes)));
            Ok(())
        }
        timestamp_encoding::PCO => by_pco(rest, count, out).ok_or(wrong),
        _ => Err(wrong),
    }
}

/// Appends the values of a block.
pub(super) fn decode_values(count: u32, bytes: &[u8], out: &mut Vec<f64>) -> Result<(), BlockError> {
    let wrong = BlockError("its values cannot be read");
    if count == 0 || count > MAX_COUNT {
        return Err(BlockError("its number of samples is wrong"));
    }
    let (encoding, rest) = bytes.split_first().ok_or(wrong.clone())?;
    match *encoding {
        value_encoding::CONSTANT => {
            let value = fixed::<8>(rest, 1).ok_or(wrong)?[0];
            out.extend(std::iter::repeat_n(f64::from_bits(u64::from_le_bytes(value)), count as usize));
            Ok(())
        }
        value_encoding::PLAIN => {
            let values = fixed::<8>(rest, count).ok_or(wrong)?;
            out.extend(values.iter().map(|bytes| f64::from_bits(u64::from_le_bytes(*bytes))));
            Ok(())
        }
        value_encoding::PCO | value_encoding::DECIMAL => {
            let before = out.len();
            let is_decimal = *encoding == value_encoding::DECIMAL;
            numbers(rest, is_decimal, count, out).ok_or_else(|| {
                out.truncate(before);
                wrong
            })
        }
        _ => Err(wrong),
    }
}

/// Bytes of a value that is apart: its place and its bits.
const APART_BYTES: usize = 10;

fn numbers(bytes: &[u8], is_decimal: bool, count: u32, out: &mut Vec<f64>) -> Option<()> {
    let (power, bytes) = if is_decimal {
        let (decimals, rest) = bytes.split_first()?;
        (Some(*POWERS.get(usize::from(*decimals))?), rest)
    } else {
        (None, bytes)
    };
    let (apart, rest) = bytes.split_first_chunk::<2>()?;
    let (head, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*apart)) * APART_BYTES)?;
    let before = out.len();
    match power {
        Some(power) => {
            let mut whole: Vec<i64> = Vec::new();
            by_pco(rest, count, &mut whole)?;
            #[expect(clippy::cast_precision_loss, reason = "whole numbers below 2^53 were encoded")]
            out.extend(whole.iter().map(|number| *number as f64 / power));
        }
        None => by_pco(rest, count, out)?,
    }
    for one in head.as_chunks::<APART_BYTES>().0 {
        let (place, bits) = one.split_first_chunk::<2>()?;
        let place = before + usize::from(u16::from_le_bytes(*place));
        *out.get_mut(place)? = f64::from_bits(u64::from_le_bytes(bits.try_into().ok()?));
    }
    Some(())
}

/// Returns `count` groups of `N` bytes, if the bytes are exactly these.
fn fixed<const N: usize>(bytes: &[u8], count: u32) -> Option<&[[u8; N]]> {
    let (groups, rest) = bytes.as_chunks::<N>();
    (rest.is_empty() && groups.len() == count as usize).then_some(groups)
}

/// Appends `count` numbers; nothing if the bytes do not contain exactly these.
fn by_pco<T: Number + Default>(bytes: &[u8], count: u32, out: &mut Vec<T>) -> Option<()> {
    let before = out.len();
    out.resize(before + count as usize, T::default());
    match simple_decompress_into(bytes, &mut out[before..]) {
        Ok(progress) if progress.finished && progress.n_processed == count as usize => Some(()),
        _ => {
            out.truncate(before);
            None
        }
    }
}
