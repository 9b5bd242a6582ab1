//! Reads samples of selected series out of memory and segments.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float64Type, TimestampMillisecondType, UInt32Type},
};
use duckdb::Connection;

use super::batches::for_each_batch;
use crate::{
    series::{Matcher, SeriesId, SeriesSamples, stale_marker},
    store::{
        StoreError,
        segment::{Layout, Segment, SegmentKind},
        shared::Shared,
        write::RecentPart,
    },
};

/// Series up to which a statement lists them; past it a range is read and sifted.
const LISTED_SERIES: usize = 20_000;

/// How often a read starts anew because compaction replaced a segment under it.
pub(super) const RETRIES: usize = 8;

/// A series being read.
struct Chosen {
    id: u32,
    part: RecentPart,
    /// Samples read from disk, before those of memory.
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

/// The samples of all series that satisfy the matchers, by labels.
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
    let ids = shared.registry.read().select(matchers);
    let mut chosen = from_memory(shared, &ids, start, end, limit)?;
    from_disk(shared, &mut chosen, start, end, limit)?;
    let registry = shared.registry.read();
    registry.sort_by_labels(&mut chosen, |series| series.id);
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

fn from_memory(shared: &Shared, ids: &[u32], start: i64, end: i64, limit: usize) -> Result<Vec<Chosen>, StoreError> {
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
            chosen.push(Chosen { id, part, timestamps: Vec::new(), values: Vec::new() });
        }
    }
    Ok(chosen)
}

fn from_disk(shared: &Shared, chosen: &mut [Chosen], start: i64, end: i64, limit: usize) -> Result<(), StoreError> {
    let Some(before) = chosen.iter().filter_map(|series| series.part.disk_before).max() else {
        return Ok(());
    };
    let end = end.min(before.saturating_sub(1));
    let mut retries = 0;
    loop {
        let layout = shared.layout.read().clone();
        let mut load = Load::new(chosen, start, end, limit);
        match shared.readers.with(|connection| load.run(connection, &layout)) {
            Ok(()) => {
                load.finish();
                return Ok(());
            }
            Err(error) if retries < RETRIES && is_replaced(&error) => retries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Whether a read failed because compaction replaced a segment under it.
pub(super) fn is_replaced(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { source, .. } if source.to_string().contains("does not exist"))
}

/// A read of some series from the segments.
struct Load<'a> {
    chosen: &'a mut [Chosen],
    /// Index into `chosen` by series number less `first`; `u32::MAX` = not wanted.
    slots: Vec<u32>,
    first: u32,
    start: i64,
    end: i64,
    limit: usize,
    samples: usize,
    /// Late rows as (index into `chosen`, timestamp, sequence number, value).
    late: Vec<(usize, i64, i64, f64)>,
}

impl<'a> Load<'a> {
    fn new(chosen: &'a mut [Chosen], start: i64, end: i64, limit: usize) -> Self {
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

    fn run(&mut self, connection: &Connection, layout: &Layout) -> Result<(), StoreError> {
        let condition = self.condition();
        for kind in [None, Some(SegmentKind::Late)] {
            let late = kind.is_some();
            let columns = if late { "series_id, timestamp, value, seq" } else { "series_id, timestamp, value" };
            let parts: Vec<String> = layout
                .all()
                .filter(|segment| (segment.kind == SegmentKind::Late) == late && self.touches(segment))
                .map(|segment| format!("SELECT {columns} FROM {} WHERE {condition}", segment.table()))
                .collect();
            if !parts.is_empty() {
                for_each_batch(connection, &parts.join(" UNION ALL "), |batch| self.take(batch, late))?;
            }
        }
        Ok(())
    }

    fn touches(&self, segment: &Segment) -> bool {
        segment.overlaps(self.start, self.end)
    }

    fn condition(&self) -> String {
        let wanted: Vec<u32> =
            self.chosen.iter().filter(|series| series.part.disk_before.is_some()).map(|series| series.id).collect();
        let last = self.first as usize + self.slots.len() - 1;
        let series = match wanted.as_slice() {
            [only] => format!("series_id = {only}"),
            many if many.len() == self.slots.len() || many.len() > LISTED_SERIES => {
                format!("series_id BETWEEN {} AND {last}", self.first)
            }
            many => {
                let list: Vec<String> = many.iter().map(u32::to_string).collect();
                format!("series_id IN ({}) AND series_id BETWEEN {} AND {last}", list.join(","), self.first)
            }
        };
        format!("{series} AND timestamp BETWEEN {} AND {}", instant(self.start), instant(self.end))
    }

    fn take(&mut self, batch: &RecordBatch, late: bool) -> Result<(), StoreError> {
        let ids = batch.column(0).as_primitive::<UInt32Type>().values();
        let timestamps = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
        let values = batch.column(2).as_primitive::<Float64Type>();
        let seq = late.then(|| batch.column(3).as_primitive::<arrow::datatypes::Int64Type>().values());
        for (row, (&id, &timestamp)) in ids.iter().zip(timestamps).enumerate() {
            let slot = self.slots[(id - self.first) as usize] as usize;
            let Some(series) = self.chosen.get_mut(slot) else { continue };
            if series.part.disk_before.is_none_or(|before| timestamp >= before) {
                continue;
            }
            self.samples += 1;
            if self.samples > self.limit {
                return Err(StoreError::TooManySamples { limit: self.limit });
            }
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

    /// Sorts what came out of several segments and lays the late rows over it.
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

impl Chosen {
    /// Lays late rows, sorted by time and sequence, over what was read.
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

    /// Disk's part, then memory's.
    fn joined(mut self) -> (Vec<i64>, Vec<f64>) {
        if self.timestamps.is_empty() {
            return (self.part.timestamps, self.part.values);
        }
        self.timestamps.append(&mut self.part.timestamps);
        self.values.append(&mut self.part.values);
        (self.timestamps, self.values)
    }
}

/// An instant as a constant of SQL that the segments' statistics can be compared with.
pub(in crate::store) fn instant(timestamp_ms: i64) -> String {
    let within = timestamp_ms.clamp(crate::store::MIN_TIMESTAMP_MS, crate::store::MAX_TIMESTAMP_MS);
    format!("make_timestamp_ms({within})::TIMESTAMP_MS")
}
