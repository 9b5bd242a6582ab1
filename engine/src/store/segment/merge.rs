//! Merges the blocks and rows of one series into blocks, deduplicated and sorted by time. Pure functions on data.

use super::block::{Block, BlockError, BlockRef, MAX_SAMPLES, encode, encode_all};

/// Number of samples, and length of the values, from which a block that nothing changes is taken over as it is.
const KEPT: u32 = 1_080;
const KEPT_BYTES: usize = 2_000;
const _: () = assert!((KEPT as usize) < MAX_SAMPLES);

/// What a merge has of one series.
#[derive(Debug, Default)]
pub(super) struct SeriesParts {
    /// Blocks, in any order. No timestamp is in two of them.
    pub(super) blocks: Vec<Block>,
    /// Rows of hot segments as (timestamp, value), in any order. No timestamp is in a block too.
    pub(super) rows: Vec<(i64, f64)>,
    /// Late rows as (timestamp, sequence number, value), in any order. They replace the others; if several have the same
    /// timestamp, the last one counts.
    pub(super) late: Vec<(i64, i64, f64)>,
}

/// Result of a merge.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MergedSeries {
    /// Blocks sorted by time, which do not overlap.
    pub(super) blocks: Vec<Block>,
    /// Number of samples before the cutoff, which are left out.
    pub(super) expired: u64,
}

/// Merges the parts of a series. Samples before `cutoff` (epoch milliseconds) are left out.
///
/// # Errors
/// A block is damaged.
pub(super) fn merge(series: u32, parts: SeriesParts, cutoff: Option<i64>) -> Result<MergedSeries, BlockError> {
    let SeriesParts { mut blocks, rows, mut late } = parts;
    let cutoff = cutoff.unwrap_or(i64::MIN);
    blocks.sort_by_key(|block| block.begin);
    late.sort_by_key(|&(at, seq, _)| (at, seq));
    let mut loose = rows;
    let mut merged = MergedSeries::default();
    loose.sort_by_key(|row| row.0);
    // Blocks that nothing else lies within keep their place in time; the others are decoded.
    let alone = alone(&blocks, &loose, &late);
    let mut whole = Vec::new();
    for (block, alone) in blocks.into_iter().zip(alone) {
        if alone && block.end < cutoff {
            merged.expired += u64::from(block.count);
        } else if alone && is_long(&block) && block.begin >= cutoff {
            whole.push(block);
        } else {
            append(&block, &mut loose)?;
        }
    }
    loose.sort_by_key(|row| row.0);
    let samples = overlaid(&loose, &late);
    let kept = samples.partition_point(|sample| sample.0 < cutoff);
    merged.expired += kept as u64;
    let mut rest = &samples[kept..];
    for block in whole {
        let before = rest.partition_point(|sample| sample.0 < block.begin);
        merged.blocks.extend(encode_all(series, &rest[..before]));
        rest = &rest[before..];
        merged.blocks.push(block);
    }
    merged.blocks.extend(encode_all(series, rest));
    Ok(merged)
}

/// Returns a block of the samples outside a span (first and last timestamp, inclusive); `None` if there are none.
///
/// # Errors
/// The block is damaged.
pub(super) fn without(block: BlockRef<'_>, (from, until): (i64, i64)) -> Result<Option<Block>, BlockError> {
    let (mut timestamps, mut values) = (Vec::new(), Vec::new());
    block.decode(&mut timestamps, &mut values)?;
    let (first, last) = (timestamps.partition_point(|at| *at < from), timestamps.partition_point(|at| *at <= until));
    timestamps.drain(first..last);
    values.drain(first..last);
    Ok((!timestamps.is_empty()).then(|| encode(block.series, &timestamps, &values)))
}

/// Returns for each block, sorted by begin, whether no other block, row or late row lies within its span.
fn alone(blocks: &[Block], rows: &[(i64, f64)], late: &[(i64, i64, f64)]) -> Vec<bool> {
    let mut reached = i64::MIN;
    let mut alone: Vec<bool> = Vec::with_capacity(blocks.len());
    for (place, block) in blocks.iter().enumerate() {
        let next = blocks.get(place + 1).map_or(i64::MAX, |next| next.begin);
        let is_free = |at: Option<i64>| at.is_none_or(|at| at > block.end);
        let row = rows.get(rows.partition_point(|row| row.0 < block.begin)).map(|row| row.0);
        let late = late.get(late.partition_point(|row| row.0 < block.begin)).map(|row| row.0);
        alone.push((place == 0 || reached < block.begin) && next > block.end && is_free(row) && is_free(late));
        reached = reached.max(block.end);
    }
    alone
}

fn is_long(block: &Block) -> bool {
    block.count >= KEPT || block.values.len() >= KEPT_BYTES
}

/// Decodes a block into samples.
fn append(block: &Block, samples: &mut Vec<(i64, f64)>) -> Result<(), BlockError> {
    let (mut timestamps, mut values) = (Vec::new(), Vec::new());
    block.as_ref().decode(&mut timestamps, &mut values)?;
    samples.extend(timestamps.into_iter().zip(values));
    Ok(())
}

/// Returns the samples with the late rows, sorted by time; of each timestamp the last one. Both are sorted.
fn overlaid(samples: &[(i64, f64)], late: &[(i64, i64, f64)]) -> Vec<(i64, f64)> {
    let mut all: Vec<(i64, f64)> = Vec::with_capacity(samples.len() + late.len());
    let mut push = |sample: (i64, f64)| match all.last_mut() {
        Some(last) if last.0 == sample.0 => *last = sample,
        _ => all.push(sample),
    };
    let mut rest = samples;
    for &(at, _, value) in late {
        let before = rest.partition_point(|sample| sample.0 <= at);
        rest[..before].iter().copied().for_each(&mut push);
        rest = &rest[before..];
        push((at, value));
    }
    rest.iter().copied().for_each(push);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn samples(merged: &MergedSeries) -> Vec<(i64, f64)> {
        let mut all = Vec::new();
        merged.blocks.iter().for_each(|block| append(block, &mut all).unwrap());
        all
    }

    fn run(from: i64, count: usize) -> Vec<(i64, f64)> {
        (from..).step_by(10).take(count).zip((0..).map(f64::from)).collect()
    }

    fn block(from: i64, count: usize) -> Block {
        encode_all(3, &run(from, count)).remove(0)
    }

    #[test]
    fn long_blocks_are_taken_over_and_short_ones_joined() {
        let (long, short) = (block(0, 1_200), block(20_000, 100));
        let parts = SeriesParts { blocks: vec![short, long.clone()], rows: run(30_000, 200), late: Vec::new() };
        let merged = merge(3, parts, None).unwrap();
        assert_eq!(merged.blocks.iter().map(|block| block.count).collect::<Vec<_>>(), [1_200, 300]);
        assert_eq!(merged.blocks[0], long);
        let four = (0..4).map(|place| block(place * 7_200, 720)).collect();
        let merged = merge(3, SeriesParts { blocks: four, ..SeriesParts::default() }, None).unwrap();
        assert_eq!(merged.blocks.iter().map(|block| block.count).collect::<Vec<_>>(), [1_440, 1_440]);
    }

    #[test]
    fn a_damaged_block_gives_an_error() {
        let mut damaged = block(0, 10);
        damaged.values[3] ^= 1;
        let parts = SeriesParts { blocks: vec![damaged], ..SeriesParts::default() };
        assert!(merge(3, parts, None).is_err());
    }

    #[test]
    fn expired_samples_are_left_out() {
        let blocks = vec![block(0, 1_200), block(12_000, 1_200), block(24_000, 1_200)];
        let merged = merge(3, SeriesParts { blocks, ..SeriesParts::default() }, Some(12_100)).unwrap();
        assert_eq!(merged.expired, 1_210);
        let left = samples(&merged);
        assert_eq!((left.len(), left[0].0), (2_390, 12_100));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The merge equals that of a map from timestamp to value.
        #[test]
        fn every_sample_is_there_once(
            spans in prop::collection::vec((0_i64..40_000, 1_usize..1_440), 0..6),
            late in prop::collection::vec((0_i64..50_000, 0_i64..100), 0..80),
            rows in prop::collection::vec(0_i64..50_000, 0..80),
            cutoff in prop::option::of(0_i64..50_000),
        ) {
            let mut expected: BTreeMap<i64, f64> = BTreeMap::new();
            let mut parts = SeriesParts::default();
            let mut number = 0.0;
            let mut value = || { number += 1.0; number };
            for (from, count) in spans {
                let of_block: Vec<(i64, f64)> = run(from, count)
                    .into_iter()
                    .map(|sample| (sample.0, value()))
                    .filter(|sample| !expected.contains_key(&sample.0))
                    .collect();
                expected.extend(of_block.iter().copied());
                parts.blocks.extend(encode_all(3, &of_block));
            }
            for at in rows {
                if !expected.contains_key(&at) {
                    let row = (at, value());
                    expected.insert(row.0, row.1);
                    parts.rows.push(row);
                }
            }
            let mut newest: BTreeMap<i64, (i64, f64)> = BTreeMap::new();
            for (at, seq) in late {
                let row = (seq, value());
                let last = newest.entry(at).or_insert(row);
                if row.0 >= last.0 {
                    *last = row;
                }
                parts.late.push((at, row.0, row.1));
            }
            expected.extend(newest.into_iter().map(|(at, (_, value))| (at, value)));
            let before = expected.len();
            if let Some(cutoff) = cutoff {
                expected.retain(|at, _| *at >= cutoff);
            }
            let merged = merge(3, parts, cutoff).unwrap();
            prop_assert_eq!(samples(&merged), expected.iter().map(|(at, value)| (*at, *value)).collect::<Vec<_>>());
            prop_assert_eq!(merged.expired, (before - expected.len()) as u64);
            prop_assert!(merged.blocks.windows(2).all(|pair| pair[0].end < pair[1].begin));
        }
    }
}
