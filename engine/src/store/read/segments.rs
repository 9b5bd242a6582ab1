//! Reads the samples of series from segments: hot and cold rows first, then the late rows, which replace them.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float64Type, TimestampMillisecondType, UInt32Type, UInt64Type},
};
use duckdb::Connection;

use super::{batches::for_each_batch, block_cache::Collected, select::instant};
use crate::{
    series::stale_marker,
    store::{
        StoreError,
        segment::{BLOCK_COLUMNS, Block, BlockRef, Segment, SegmentKind, SegmentLayout, damaged, each_block},
        write::RecentPart,
    },
};

/// Maximum number of series that a statement lists by number, and of those whose blocks are looked up in memory; above it a range of
/// numbers is read and filtered here.
const LISTED_SERIES: usize = 20_000;

/// Place of the segment's number in the rows of blocks, after the columns of the block.
const SEGMENT_COLUMN: usize = 7;

/// Form of the rows of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Blocks,
    Rows,
    Late,
}

impl Form {
    const fn of(kind: SegmentKind) -> Self {
        match kind {
            SegmentKind::Cold => Self::Blocks,
            SegmentKind::Hot | SegmentKind::Rows => Self::Rows,
            SegmentKind::Late => Self::Late,
        }
    }
}

/// State of one series during a read.
pub(super) struct SeriesRead {
    pub(super) id: u32,
    pub(super) part: RecentPart,
    /// Samples read from disk; all are older than those in `part`.
    pub(super) timestamps: Vec<i64>,
    pub(super) values: Vec<f64>,
}

/// One attempt to read the series from the segments.
pub(super) struct SegmentRead<'a> {
    chosen: &'a mut [SeriesRead],
    /// Index into `chosen` by series number minus `first`; `u32::MAX` = not selected.
    slots: Vec<u32>,
    first: u32,
    start: i64,
    end: i64,
    limit: usize,
    samples: usize,
    /// Late rows as (index into `chosen`, timestamp, sequence number, value).
    late: Vec<(usize, i64, i64, f64)>,
}

impl<'a> SegmentRead<'a> {
    pub(super) fn new(chosen: &'a mut [SeriesRead], start: i64, end: i64, limit: usize) -> Self {
        let wanted = || chosen.iter().enumerate().filter(|(_, series)| series.part.disk_before.is_some());
        let first = wanted().map(|(_, series)| series.id).min().unwrap_or(0);
        let last = wanted().map(|(_, series)| series.id).max().unwrap_or(0);
        let mut slots = vec![u32::MAX; (last - first) as usize + 1];
        for (slot, series) in wanted() {
            slots[(series.id - first) as usize] = u32::try_from(slot).unwrap_or(u32::MAX);
        }
        let samples = chosen.iter().map(|series| series.part.timestamps.len()).sum();
        for series in chosen.iter_mut() {
            series.timestamps.clear();
            series.values.clear();
        }
        Self { chosen, slots, first, start, end, limit, samples, late: Vec::new() }
    }

    /// Reads the samples from memory's blocks and the segments' tables.
    pub(super) fn run(
        &mut self,
        connection: &Connection,
        layout: &SegmentLayout,
        mut collected: Option<Collected<'_>>,
    ) -> Result<(), StoreError> {
        let wanted: Vec<u32> =
            self.chosen.iter().filter(|series| series.part.disk_before.is_some()).map(|series| series.id).collect();
        let lists = wanted.len().saturating_mul(self.touched(layout, Form::Blocks).count());
        collected = collected.filter(|collected| wanted.len() <= LISTED_SERIES && collected.may_have(lists));
        let (from, until) = (instant(self.start), instant(self.end));
        let mut blocks = Vec::new();
        for segment in self.touched(layout, Form::Blocks) {
            let series = match &mut collected {
                Some(collected) => self.take_cached(segment, &wanted, collected)?,
                None => wanted.clone(),
            };
            if let Some(series) = condition(&series) {
                let (columns, table, id) = (BLOCK_COLUMNS, segment.table(), segment.id);
                blocks.push(format!(
                    "SELECT {columns}, {id}::UBIGINT FROM {table} WHERE {series} AND begin_at <= {until} AND end_at >= {from}"
                ));
            }
        }
        if !blocks.is_empty() {
            for_each_batch(connection, &blocks.join(" UNION ALL "), |batch| {
                let segments = batch.column(SEGMENT_COLUMN).as_primitive::<UInt64Type>().values();
                let mut rows = segments.iter();
                each_block(batch, |block| {
                    if let (Some(collected), Some(segment)) = (&mut collected, rows.next()) {
                        collected.push(*segment, block);
                    }
                    self.take_block(block)
                })
            })?;
        }
        // Each form has columns of its own, so it needs a statement of its own.
        for (form, columns) in
            [(Form::Rows, "series_id, timestamp, value"), (Form::Late, "series_id, timestamp, value, seq")]
        {
            let Some(series) = condition(&wanted) else { break };
            let select = |segment: &Segment| {
                format!(
                    "SELECT {columns} FROM {} WHERE {series} AND timestamp BETWEEN {from} AND {until}",
                    segment.table()
                )
            };
            let parts: Vec<String> = self.touched(layout, form).map(select).collect();
            if !parts.is_empty() {
                for_each_batch(connection, &parts.join(" UNION ALL "), |batch| self.take(batch, form == Form::Late))?;
            }
        }
        if let Some(collected) = collected {
            collected.finish();
        }
        Ok(())
    }

    /// Returns the segments of one form that have samples within the span.
    fn touched<'l>(&self, layout: &'l SegmentLayout, form: Form) -> impl Iterator<Item = &'l Segment> + use<'l> {
        let (start, end) = (self.start, self.end);
        layout
            .all()
            .filter(move |segment| Form::of(segment.kind) == form && segment.rows > 0 && segment.overlaps(start, end))
    }

    /// Takes the blocks of a segment that are in memory, and returns the series whose blocks must be read.
    fn take_cached(
        &mut self,
        segment: &Segment,
        wanted: &[u32],
        collected: &mut Collected<'_>,
    ) -> Result<Vec<u32>, StoreError> {
        let span = (self.start, self.end);
        let mut missing = Vec::new();
        for &series in wanted {
            match collected.cache().get(segment, series, span) {
                Some(entry) => {
                    let touching = entry.blocks.iter().filter(|block| block.begin <= span.1 && block.end >= span.0);
                    touching.map(Block::as_ref).try_for_each(|block| self.take_block(block))?;
                }
                None => {
                    collected.expect(segment, series, span);
                    missing.push(series);
                }
            }
        }
        Ok(missing)
    }

    /// Decodes a block and appends its samples within the span to their series.
    fn take_block(&mut self, block: BlockRef<'_>) -> Result<(), StoreError> {
        let slot = self.slots[(block.series - self.first) as usize] as usize;
        let Some(series) = self.chosen.get_mut(slot) else { return Ok(()) };
        // Memory holds everything from `disk_before` on.
        let Some(before) = series.part.disk_before else { return Ok(()) };
        let (start, end) = (self.start, self.end.min(before.saturating_sub(1)));
        let (timestamps, values) = (&mut series.timestamps, &mut series.values);
        let old = timestamps.len();
        block.decode(timestamps, values).map_err(|error| damaged(block.series, &error))?;
        if block.end > end {
            let kept = old + timestamps[old..].partition_point(|at| *at <= end);
            timestamps.truncate(kept);
            values.truncate(kept);
        }
        if block.begin < start {
            let early = timestamps[old..].partition_point(|at| *at < start);
            timestamps.drain(old..old + early);
            values.drain(old..old + early);
        }
        self.samples += timestamps.len() - old;
        if self.samples > self.limit { Err(StoreError::TooManySamples { limit: self.limit }) } else { Ok(()) }
    }

    /// Distributes the rows of a batch to their series.
    fn take(&mut self, batch: &RecordBatch, late: bool) -> Result<(), StoreError> {
        let ids = batch.column(0).as_primitive::<UInt32Type>().values();
        let timestamps = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
        let values = batch.column(2).as_primitive::<Float64Type>();
        let seq = late.then(|| batch.column(3).as_primitive::<arrow::datatypes::Int64Type>().values());
        for (row, (&id, &timestamp)) in ids.iter().zip(timestamps).enumerate() {
            let slot = self.slots[(id - self.first) as usize] as usize;
            let Some(series) = self.chosen.get_mut(slot) else { continue };
            // Memory holds everything from `disk_before` on, also rows that this segment repeats.
            if series.part.disk_before.is_none_or(|before| timestamp >= before) {
                continue;
            }
            self.samples += 1;
            if self.samples > self.limit {
                return Err(StoreError::TooManySamples { limit: self.limit });
            }
            // Stale markers are stored as NULL.
            let value = if values.is_null(row) { stale_marker() } else { values.value(row) };
            match seq {
                Some(seq) => self.late.push((slot, timestamp, seq[row], value)),
                None => {
                    series.timestamps.push(timestamp);
                    series.values.push(value);
                }
            }
        }
        Ok(())
    }

    /// Sorts the rows of several segments by time and applies the late rows.
    pub(super) fn finish(mut self) {
        for series in self.chosen.iter_mut() {
            if !series.timestamps.is_sorted() {
                let mut order: Vec<usize> = (0..series.timestamps.len()).collect();
                order.sort_by_key(|&idx| series.timestamps[idx]);
                series.timestamps = order.iter().map(|&idx| series.timestamps[idx]).collect::<Vec<_>>();
                series.values = order.iter().map(|&idx| series.values[idx]).collect();
            }
        }
        self.late.sort_by_key(|&(slot, timestamp, seq, _)| (slot, timestamp, seq));
        for same in self.late.chunk_by(|a, b| a.0 == b.0) {
            self.chosen[same[0].0].overlay(same);
        }
    }
}

/// Returns the condition on `series_id` for some series; `None` without any. It may be true of series between them.
fn condition(series: &[u32]) -> Option<String> {
    let (first, last) = (series.iter().min()?, series.iter().max()?);
    let is_range = series.len() == (last - first) as usize + 1;
    Some(if series.len() == 1 {
        format!("series_id = {first}")
    } else if is_range || series.len() > LISTED_SERIES {
        format!("series_id BETWEEN {first} AND {last}")
    } else {
        let list: Vec<String> = series.iter().map(u32::to_string).collect();
        format!("series_id IN ({}) AND series_id BETWEEN {first} AND {last}", list.join(","))
    })
}

impl SeriesRead {
    /// Merges late rows, sorted by time and sequence number; of each timestamp the last one replaces the row read.
    fn overlay(&mut self, late: &[(usize, i64, i64, f64)]) {
        let mut timestamps = Vec::with_capacity(self.timestamps.len() + late.len());
        let mut values = Vec::with_capacity(timestamps.capacity());
        let mut base = 0;
        for same in late.chunk_by(|a, b| a.1 == b.1) {
            let (_, timestamp, _, value) = same[same.len() - 1];
            let upto = base + self.timestamps[base..].partition_point(|&t| t < timestamp);
            timestamps.extend_from_slice(&self.timestamps[base..upto]);
            values.extend_from_slice(&self.values[base..upto]);
            base = upto + usize::from(self.timestamps.get(upto) == Some(&timestamp));
            timestamps.push(timestamp);
            values.push(value);
        }
        timestamps.extend_from_slice(&self.timestamps[base..]);
        values.extend_from_slice(&self.values[base..]);
        (self.timestamps, self.values) = (timestamps, values);
    }

    /// Returns the samples from disk followed by those from memory.
    pub(super) fn joined(mut self) -> (Vec<i64>, Vec<f64>) {
        if self.timestamps.is_empty() {
            return (self.part.timestamps, self.part.values);
        }
        self.timestamps.append(&mut self.part.timestamps);
        self.values.append(&mut self.part.values);
        (self.timestamps, self.values)
    }
}
