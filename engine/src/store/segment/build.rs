//! Builds a cold segment from the segments of a merge, deduplicated and sorted.

use arrow::{
    array::{Array, AsArray},
    datatypes::{Float64Type, Int64Type, TimestampMillisecondType, UInt32Type},
};
use duckdb::Connection;

use super::{
    Segment, SegmentKind, block,
    merge::{SeriesParts, merge},
    plan::Merge,
};
use crate::{
    series::stale_marker,
    store::{StoreError, error::failed_to, read::for_each_batch},
};

/// Number of samples that are merged at once, to bound memory.
const CHUNK_SAMPLES: u64 = 2_000_000;

/// Result of a merge, written but not yet in the list of segments.
#[derive(Debug)]
pub(super) struct BuiltSegment {
    /// New segment; `None` when no row was left.
    pub(super) run: Option<Segment>,
    /// Samples older than the cutoff, which were not written.
    pub(super) expired: u64,
    /// Samples replaced by a later write, which were not written.
    pub(super) replaced: u64,
}

/// Returns `SELECT … UNION ALL SELECT …` over the samples of segments; columns as for [`Segment::samples`].
pub(super) fn union(columns: &str, segments: &[Segment]) -> String {
    joined(columns, segments.iter().map(|segment| segment.all_samples(columns)).collect())
}

/// Returns the same over the samples of a span and with a condition on `series_id`.
pub(super) fn union_within(columns: &str, segments: &[Segment], condition: &str, span: (i64, i64)) -> String {
    joined(columns, segments.iter().map(|segment| segment.samples(columns, condition, span)).collect())
}

fn joined(columns: &str, parts: Vec<String>) -> String {
    if parts.is_empty() {
        // An empty relation with the same columns.
        return format!(
            "SELECT {columns} FROM (SELECT 0::UINTEGER AS series_id, NULL::TIMESTAMP_MS AS timestamp, NULL::DOUBLE AS value, \
             0::BIGINT AS seq) WHERE false"
        );
    }
    parts.join(" UNION ALL ")
}

/// Writes a merge's samples, deduplicated and sorted by series and time, into the cold segment `id`. `report` is called with
/// the number of samples that are written, after every few millions. An error leaves no table.
pub(super) fn build(
    connection: &Connection,
    merge_of: &Merge,
    id: u64,
    cutoff: Option<i64>,
    report: impl Fn(u64),
) -> Result<BuiltSegment, StoreError> {
    let run = Segment::empty(id, SegmentKind::Cold);
    let table = run.table();
    write(connection, merge_of, run, cutoff, report).inspect_err(|_| {
        // A merge that fails is tried again: without this each attempt would take space until the next opening.
        let _ = connection.execute_batch(&format!("DROP TABLE IF EXISTS {table}"));
    })
}

fn write(
    connection: &Connection,
    merge_of: &Merge,
    mut run: Segment,
    cutoff: Option<i64>,
    report: impl Fn(u64),
) -> Result<BuiltSegment, StoreError> {
    connection.execute_batch(&block::create_table(&run.table())).map_err(failed_to("write a compacted segment"))?;
    let mut expired = 0;
    let mut appender = block::Appender::new(connection, &run.name())?;
    for (first, last) in chunks(connection, merge_of)? {
        for (series, parts) in parts_of(connection, merge_of, first, last)?.into_sorted() {
            let merged = merge(series, parts, cutoff).map_err(|error| damaged(series, &error))?;
            expired += merged.expired;
            for block in merged.blocks {
                run.add(u64::from(block.count), Some((block.begin, block.end)));
                appender.push(block)?;
            }
        }
        report(run.rows);
    }
    appender.finish()?;
    let input: u64 = merge_of.all().map(|segment| segment.rows).sum();
    // Every input row is written, expired, or replaced by another version.
    let replaced = input.saturating_sub(expired).saturating_sub(run.rows);
    if run.rows == 0 {
        connection
            .execute_batch(&format!("DROP TABLE {}", run.table()))
            .map_err(failed_to("write a compacted segment"))?;
        return Ok(BuiltSegment { run: None, expired, replaced });
    }
    Ok(BuiltSegment { run: Some(run), expired, replaced })
}

/// Returns the error of a damaged block of a series.
pub(in crate::store) fn damaged(series: u32, error: &block::BlockError) -> StoreError {
    StoreError::DamagedBlock { detail: format!("series {series}: {error}") }
}

/// The parts of the series in a range of numbers.
#[derive(Debug)]
struct ChunkParts {
    first: u32,
    /// Index into `parts` by series number minus `first`; `u32::MAX` = none.
    slots: Vec<u32>,
    parts: Vec<SeriesParts>,
}

impl ChunkParts {
    fn of(&mut self, series: u32) -> &mut SeriesParts {
        let place = (series - self.first) as usize;
        if place >= self.slots.len() {
            self.slots.resize(place + 1, u32::MAX);
        }
        if self.slots[place] == u32::MAX {
            self.slots[place] = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
            self.parts.push(SeriesParts::default());
        }
        &mut self.parts[self.slots[place] as usize]
    }

    /// Returns the series with their parts, sorted by number.
    fn into_sorted(mut self) -> impl Iterator<Item = (u32, SeriesParts)> {
        (self.first..).zip(self.slots).filter(|(_, slot)| *slot != u32::MAX).map(move |(series, slot)| {
            (series, self.parts.get_mut(slot as usize).map(std::mem::take).unwrap_or_default())
        })
    }
}

/// Reads the parts of the series in a range of numbers.
fn parts_of(connection: &Connection, merge: &Merge, first: u32, last: u32) -> Result<ChunkParts, StoreError> {
    let within = format!("series_id BETWEEN {first} AND {last}");
    let mut parts = ChunkParts { first, slots: Vec::new(), parts: Vec::new() };
    for segment in merge.all() {
        let table = segment.table();
        match segment.kind {
            SegmentKind::Cold => {
                let sql = format!("SELECT {} FROM {table} WHERE {within}", block::COLUMNS);
                for_each_batch(connection, &sql, |batch| {
                    block::each(batch, |block| {
                        parts.of(block.series).blocks.push(block.to_owned());
                        Ok(())
                    })
                })?;
            }
            SegmentKind::Hot | SegmentKind::Rows | SegmentKind::Late => {
                let is_late = segment.kind == SegmentKind::Late;
                let seq = if is_late { ", seq" } else { "" };
                let sql = format!("SELECT series_id, timestamp, value{seq} FROM {table} WHERE {within}");
                for_each_batch(connection, &sql, |batch| {
                    let ids = batch.column(0).as_primitive::<UInt32Type>().values();
                    let times = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
                    let values = batch.column(2).as_primitive::<Float64Type>();
                    let seq = is_late.then(|| batch.column(3).as_primitive::<Int64Type>().values());
                    for (row, (&id, &at)) in ids.iter().zip(times).enumerate() {
                        let value = if values.is_null(row) { stale_marker() } else { values.value(row) };
                        let of_series = parts.of(id);
                        match seq {
                            Some(seq) => of_series.late.push((at, seq[row], value)),
                            None => of_series.rows.push((at, value)),
                        }
                    }
                    Ok(())
                })?;
            }
        }
    }
    Ok(parts)
}

/// Returns ranges of series numbers (first, last) with about `CHUNK_SAMPLES` samples each.
fn chunks(connection: &Connection, merge: &Merge) -> Result<Vec<(u32, u32)>, StoreError> {
    let rows: u64 = merge.all().map(|segment| segment.rows).sum();
    if rows <= CHUNK_SAMPLES {
        return Ok(vec![(0, u32::MAX)]);
    }
    let counts: Vec<String> = merge
        .all()
        .map(|segment| {
            let samples = if segment.kind == SegmentKind::Cold { "count" } else { "1" };
            format!("SELECT series_id, {samples} AS samples FROM {}", segment.table())
        })
        .collect();
    let mut ends = Vec::new();
    let mut samples = 0;
    let sql = format!(
        "SELECT series_id, sum(samples)::BIGINT FROM ({}) GROUP BY series_id ORDER BY series_id",
        counts.join(" UNION ALL ")
    );
    for_each_batch(connection, &sql, |batch| {
        let ids = batch.column(0).as_primitive::<UInt32Type>().values();
        let counts = batch.column(1).as_primitive::<Int64Type>().values();
        for (id, count) in ids.iter().zip(counts) {
            samples += count.unsigned_abs();
            if samples >= CHUNK_SAMPLES {
                ends.push(*id);
                samples = 0;
            }
        }
        Ok(())
    })?;
    let mut ranges = Vec::with_capacity(ends.len() + 1);
    let mut first = 0;
    for end in ends {
        ranges.push((first, end));
        first = end.saturating_add(1);
    }
    ranges.push((first, u32::MAX));
    Ok(ranges)
}
