//! Reads samples of selected series from memory and segments.
//!
//! Memory returns the newest part of each series. Only the part before it is read from disk: hot and cold rows first,
//! then the late rows, which replace them.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float64Type, TimestampMillisecondType, UInt32Type},
};
use duckdb::Connection;

use super::batches::for_each_batch;
use crate::{
    series::{Matcher, SeriesId, SeriesSamples, stale_marker},
    store::{
        StoreError, index,
        segment::{BLOCK_COLUMNS, BlockRef, Segment, SegmentKind, SegmentLayout, damaged, each_block},
        shared::Shared,
        write::RecentPart,
    },
};

/// Maximum number of series that a statement lists by number; above it a range of numbers is read and filtered here.
const LISTED_SERIES: usize = 20_000;

/// Number of retries of a read whose segment was replaced by compaction.
pub(super) const RETRIES: usize = 8;

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
struct SeriesRead {
    id: u32,
    part: RecentPart,
    /// Samples read from disk; all are older than those in `part`.
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

/// Returns the samples of all series that satisfy the matchers, sorted by labels.
pub(in crate::store) fn select(
    shared: &Shared,
    matchers: &[Matcher],
    start: i64,
    end: i64,
    limit: usize,
) -> Result<Vec<SeriesSamples>, StoreError> {
    if start > end {
        return Ok(Vec::new());
    }
    let mut ids = index::select(&shared.registry, matchers);
    {
        let recent = shared.recent.read();
        ids.retain(|&id| recent.overlaps(id, start, end));
    }
    shared.registry.read().sort_by_labels(&mut ids, |&id| id);
    let mut chosen = from_memory(shared, &ids, start, end, limit)?;
    from_disk(shared, &mut chosen, start, end, limit)?;
    let registry = shared.registry.read();
    let found = chosen
        .into_iter()
        .filter_map(|series| {
            let id = SeriesId::new(series.id);
            let (timestamps, values) = series.joined();
            let labels = registry.labels(id).filter(|_| !timestamps.is_empty())?;
            Some(SeriesSamples { labels, timestamps, values })
        })
        .collect();
    Ok(found)
}

/// Collects the samples in memory, and for each series the timestamp before which the disk must be read.
fn from_memory(
    shared: &Shared,
    ids: &[u32],
    start: i64,
    end: i64,
    limit: usize,
) -> Result<Vec<SeriesRead>, StoreError> {
    let recent = shared.recent.read();
    let mut samples = 0;
    let mut chosen = Vec::new();
    for &id in ids {
        if !recent.overlaps(id, start, end) {
            continue;
        }
        let part = recent.part(id, start, end);
        samples += part.timestamps.len();
        if samples > limit {
            return Err(StoreError::TooManySamples { limit });
        }
        if part.disk_before.is_some() || !part.timestamps.is_empty() {
            chosen.push(SeriesRead { id, part, timestamps: Vec::new(), values: Vec::new() });
        }
    }
    Ok(chosen)
}

/// Adds the samples on disk. A failed attempt leaves partial results, which the next `SegmentRead::new` clears.
fn from_disk(shared: &Shared, chosen: &mut [SeriesRead], start: i64, end: i64, limit: usize) -> Result<(), StoreError> {
    let Some(before) = chosen.iter().filter_map(|series| series.part.disk_before).max() else {
        return Ok(());
    };
    let end = end.min(before.saturating_sub(1));
    let mut retries = 0;
    loop {
        let layout = shared.layout.read().clone();
        let mut attempt = SegmentRead::new(chosen, start, end, limit);
        match shared.readers.with(|connection| attempt.run(connection, &layout)) {
            Ok(()) => {
                attempt.finish();
                return Ok(());
            }
            Err(error) if retries < RETRIES && is_replaced(&error) => retries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Returns whether a read failed because compaction has dropped one of its segments.
pub(super) fn is_replaced(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { source, .. } if source.to_string().contains("does not exist"))
}

/// One attempt to read the series from the segments.
struct SegmentRead<'a> {
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
    fn new(chosen: &'a mut [SeriesRead], start: i64, end: i64, limit: usize) -> Self {
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

    fn run(&mut self, connection: &Connection, layout: &SegmentLayout) -> Result<(), StoreError> {
        let series = self.condition();
        let (from, until) = (instant(self.start), instant(self.end));
        let within_rows = format!("{series} AND timestamp BETWEEN {from} AND {until}");
        let within_blocks = format!("{series} AND begin_at <= {until} AND end_at >= {from}");
        let select = |form: Form| {
            let (columns, condition) = match form {
                Form::Blocks => (BLOCK_COLUMNS, &within_blocks),
                Form::Rows => ("series_id, timestamp, value", &within_rows),
                Form::Late => ("series_id, timestamp, value, seq", &within_rows),
            };
            let touched = layout.all().filter(|segment| Form::of(segment.kind) == form && self.touches(segment));
            let parts: Vec<String> =
                touched.map(|segment| format!("SELECT {columns} FROM {} WHERE {condition}", segment.table())).collect();
            parts.join(" UNION ALL ")
        };
        // Each form has columns of its own, so it needs a statement of its own.
        for (form, sql) in [Form::Blocks, Form::Rows, Form::Late].map(|form| (form, select(form))) {
            if !sql.is_empty() {
                for_each_batch(connection, &sql, |batch| match form {
                    Form::Blocks => each_block(batch, |block| self.take_block(block)),
                    Form::Rows | Form::Late => self.take(batch, form == Form::Late),
                })?;
            }
        }
        Ok(())
    }

    fn touches(&self, segment: &Segment) -> bool {
        segment.rows > 0 && segment.overlaps(self.start, self.end)
    }

    /// Returns the condition on `series_id`.
    fn condition(&self) -> String {
        let wanted: Vec<u32> =
            self.chosen.iter().filter(|series| series.part.disk_before.is_some()).map(|series| series.id).collect();
        let last = self.first as usize + self.slots.len() - 1;
        match wanted.as_slice() {
            [only] => format!("series_id = {only}"),
            many if many.len() == self.slots.len() || many.len() > LISTED_SERIES => {
                format!("series_id BETWEEN {} AND {last}", self.first)
            }
            many => {
                let list: Vec<String> = many.iter().map(u32::to_string).collect();
                format!("series_id IN ({}) AND series_id BETWEEN {} AND {last}", list.join(","), self.first)
            }
        }
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
    fn finish(mut self) {
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
    fn joined(mut self) -> (Vec<i64>, Vec<f64>) {
        if self.timestamps.is_empty() {
            return (self.part.timestamps, self.part.values);
        }
        self.timestamps.append(&mut self.part.timestamps);
        self.values.append(&mut self.part.values);
        (self.timestamps, self.values)
    }
}

/// Formats an instant as a SQL constant of the column's own type, so that DuckDB can compare it with segment
/// statistics.
pub(in crate::store) fn instant(timestamp_ms: i64) -> String {
    let within = timestamp_ms.clamp(crate::store::MIN_TIMESTAMP_MS, crate::store::MAX_TIMESTAMP_MS);
    format!("make_timestamp_ms({within})::TIMESTAMP_MS")
}
