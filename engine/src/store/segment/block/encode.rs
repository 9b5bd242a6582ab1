//! Encodes the samples of one series into a block.

use pco::{ChunkConfig, standalone::simple_compress};

use super::{Block, MAX_BYTES, MAX_SAMPLES, MIN_ENCODED, POWERS, timestamp_encoding, value_encoding};

/// Effort of the codec, of 0 to 12. Level 8 takes 1 % fewer bytes and twice the time.
const LEVEL: usize = 4;

/// Share of the values (one of so many) that are kept apart from the others at most.
const APART: usize = 8;

/// Encodes samples, sorted by time, as blocks of about the same length.
pub(in crate::store::segment) fn encode_all(series: u32, samples: &[(i64, f64)]) -> Vec<Block> {
    let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
    let mut blocks = Vec::new();
    divide(series, &timestamps, &values, timestamps.len().div_ceil(MAX_SAMPLES), &mut blocks);
    blocks
}

/// Encodes samples as `parts` blocks; a block that is too large is divided again.
fn divide(series: u32, timestamps: &[i64], values: &[f64], parts: usize, blocks: &mut Vec<Block>) {
    let mut from = 0;
    for left in (1..=parts).rev() {
        let to = from + (timestamps.len() - from).div_ceil(left);
        let (timestamps, values) = (&timestamps[from..to], &values[from..to]);
        let block = encode(series, timestamps, values);
        let parts = block.values.len().div_ceil(MAX_BYTES);
        if parts > 1 && timestamps.len() > MIN_ENCODED * parts {
            divide(series, timestamps, values, parts, blocks);
        } else {
            blocks.push(block);
        }
        from = to;
    }
}

/// Encodes samples, sorted by time; at least one, at most [`MAX_SAMPLES`](super::MAX_SAMPLES).
pub(in crate::store::segment) fn encode(series: u32, timestamps: &[i64], values: &[f64]) -> Block {
    debug_assert!(!timestamps.is_empty() && timestamps.len() == values.len());
    let mut block = Block {
        series,
        begin: timestamps.first().copied().unwrap_or_default(),
        end: timestamps.last().copied().unwrap_or_default(),
        count: u32::try_from(timestamps.len()).unwrap_or(u32::MAX),
        timestamps: encode_timestamps(timestamps),
        values: encode_values(values),
        checksum: 0,
    };
    block.checksum = block.as_ref().computed_checksum();
    block
}

fn encode_timestamps(timestamps: &[i64]) -> Vec<u8> {
    let (Some(first), Some(last)) = (timestamps.first(), timestamps.last()) else { return Vec::new() };
    if let [first, second, ..] = timestamps {
        let step = second - first;
        if timestamps.windows(2).all(|pair| pair[1] - pair[0] == step) {
            return Vec::new();
        }
    } else {
        return Vec::new();
    }
    if timestamps.len() >= MIN_ENCODED
        && let Some(encoded) = by_pco(timestamps, timestamp_encoding::PCO, &[])
    {
        return encoded;
    }
    if u32::try_from(last - first).is_ok() {
        let offsets = timestamps.iter().map(|at| u32::try_from(at - first).unwrap_or_default());
        return tagged(timestamp_encoding::OFFSETS, offsets.flat_map(u32::to_le_bytes));
    }
    tagged(timestamp_encoding::PLAIN, timestamps.iter().flat_map(|at| at.to_le_bytes()))
}

fn encode_values(values: &[f64]) -> Vec<u8> {
    let first = values.first().map_or(0, |value| value.to_bits());
    if values.iter().all(|value| value.to_bits() == first) {
        return tagged(value_encoding::CONSTANT, first.to_le_bytes());
    }
    if values.len() >= MIN_ENCODED
        && let Some(encoded) = encode_numbers(values)
    {
        return encoded;
    }
    tagged(value_encoding::PLAIN, values.iter().flat_map(|value| value.to_bits().to_le_bytes()))
}

fn encode_numbers(values: &[f64]) -> Option<Vec<u8>> {
    let apart: Vec<(u16, f64)> =
        (0..).zip(values).filter(|(_, value)| !value.is_finite()).map(|(place, value)| (place, *value)).collect();
    if apart.len() * APART > values.len() {
        return by_pco(values, value_encoding::PCO, &0_u16.to_le_bytes());
    }
    let mut head = u16::try_from(apart.len()).unwrap_or_default().to_le_bytes().to_vec();
    for (place, value) in &apart {
        head.extend_from_slice(&place.to_le_bytes());
        head.extend_from_slice(&value.to_bits().to_le_bytes());
    }
    let filled = filled(values);
    match whole(&filled) {
        Some((decimals, numbers)) => {
            head.insert(0, decimals);
            by_pco(&numbers, value_encoding::DECIMAL, &head)
        }
        None => by_pco(&filled, value_encoding::PCO, &head),
    }
}

/// Returns the fewest decimals with which all values are whole numbers, and these, if dividing gives the same values again.
fn whole(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    (0..).zip(POWERS).find_map(|(decimals, power)| {
        let number = |value: &f64| {
            let product = (value * power).round();
            #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53")]
            let number = product as i64;
            #[expect(clippy::cast_precision_loss, reason = "whole numbers below 2^53")]
            let again = number as f64 / power;
            // A negative zero is no whole number.
            (product.abs() < MAX_WHOLE && again.to_bits() == value.to_bits()).then_some(number)
        };
        values.iter().map(number).collect::<Option<Vec<i64>>>().map(|numbers| (decimals, numbers))
    })
}

/// Bound of the whole numbers that a float holds exactly: 2^53.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Returns the values with those that are not finite replaced by the value before, or by the first finite one.
fn filled(values: &[f64]) -> Vec<f64> {
    let mut last = values.iter().copied().find(|value| value.is_finite()).unwrap_or_default();
    values
        .iter()
        .map(|&value| {
            last = if value.is_finite() { value } else { last };
            last
        })
        .collect()
}

/// Returns the encoding byte, `head` and the numbers by pco; `None` if that is not shorter than the numbers themselves.
fn by_pco<T: pco::data_types::Number>(numbers: &[T], encoding: u8, head: &[u8]) -> Option<Vec<u8>> {
    let encoded = simple_compress(numbers, &ChunkConfig::default().with_compression_level(LEVEL)).ok()?;
    (head.len() + encoded.len() < size_of_val(numbers)).then(|| tagged(encoding, head.iter().copied().chain(encoded)))
}

fn tagged(encoding: u8, bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    std::iter::once(encoding).chain(bytes).collect()
}
