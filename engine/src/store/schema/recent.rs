//! Loads the recent samples into memory: when a store opens, after it has opened, and after a failed commit.

use std::{
    ops::Range,
    sync::{Arc, Weak},
    thread::JoinHandle,
};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Float64Type, Int64Type, TimestampMillisecondType, UInt32Type},
};
use duckdb::Connection;
use parking_lot::Mutex;

use crate::{
    series::stale_marker,
    store::{
        StoreError, StoreOptions,
        read::for_each_batch,
        segment::{Segment, SegmentKind, SegmentLayout},
        shared::Shared,
        write::{RecentHistograms, RecentSamples, Writer},
    },
};

/// Number of rows that are loaded between two groups of the writer; senders wait meanwhile.
const LOADED_AT_ONCE: u64 = 500_000;

/// Number of series whose samples of cold segments are loaded between two groups of the writer: with blocks of their last hours, mostly one each.
const OLDER_SERIES: u32 = 1_000;

/// Reciprocal of the share of memory that samples of cold segments may take after an opening; new samples need the rest.
const OLDER_SHARE: usize = 4;

/// Age in milliseconds below which loading them is not worth it: most queries look back for longer.
const OLDER_MS_MIN: i64 = 60_000;

/// Bytes of a sample in memory.
const SAMPLE_BYTES: usize = size_of::<(i64, f64)>();

/// Loads what an opening needs: the recent samples, or only their spans if they are many. Returns whether samples are left for
/// [`load_later`].
pub(in crate::store) fn load_opening(
    connection: &Connection,
    layout: &SegmentLayout,
    options: &StoreOptions,
) -> Result<(RecentSamples, bool), StoreError> {
    if recent_rows(layout) <= options.loaded_rows {
        return Ok((load_recent(connection, layout, options.sample_bytes())?, false));
    }
    let mut recent = RecentSamples::new(options.sample_bytes());
    restore_spans(connection, "FROM store.spans", &mut recent)?;
    for segment in recent_segments(layout) {
        restore_spans(connection, &segment.spans(""), &mut recent)?;
    }
    Ok((recent, true))
}

/// Loads the samples that an opening has left out, some series at a time. Reads find them on disk until then.
pub(in crate::store) fn load_later(shared: &Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    let end = shared.registry.read().end();
    let parts = recent_rows(&shared.layout.read()).div_ceil(LOADED_AT_ONCE).max(1);
    let width = end.div_ceil(u32::try_from(parts).unwrap_or(u32::MAX)).max(1);
    load_parts(shared, None, (end, width), |writer, ids| writer.load(ids).map(|()| true))
}

/// Loads the samples of cold segments up to an age, or to a lower one whose samples are within the budget, once the loader `before` is
/// done.
pub(in crate::store) fn load_older(
    shared: &Arc<Shared>,
    before: Option<JoinHandle<()>>,
    now: i64,
    age: i64,
) -> std::io::Result<JoinHandle<()>> {
    let mut left = shared.options.sample_bytes() / SAMPLE_BYTES / OLDER_SHARE;
    let span = older_span(&shared.layout.read(), now, age, left as u64);
    let end = if span.is_some() { shared.registry.read().end() } else { 0 };
    let (mut from, top) = span.unwrap_or((now, now));
    load_parts(shared, before, (end, OLDER_SERIES), move |writer, ids| {
        loop {
            match writer.load_older(ids.clone(), from, left) {
                Ok(loaded) => {
                    left -= loaded;
                    return Ok(true);
                }
                // More than was estimated: a shorter time, for the series that follow too.
                Err(StoreError::TooManySamples { .. }) if top.saturating_sub(from) > OLDER_MS_MIN => {
                    from = top - top.saturating_sub(from) / 2;
                }
                Err(StoreError::TooManySamples { .. }) => return Ok(false),
                // Reads name it; the other series are loaded.
                Err(StoreError::DamagedBlock { .. }) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    })
}

/// Starts a thread that calls `load` on the writer for so many series at a time, until it returns `false`.
fn load_parts(
    shared: &Arc<Shared>,
    before: Option<JoinHandle<()>>,
    (end, width): (u32, u32),
    load: impl FnMut(&mut Writer, Range<u32>) -> Result<bool, StoreError> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::downgrade(shared);
    let load = Arc::new(Mutex::new(load));
    std::thread::Builder::new().name("almanac-loader".into()).spawn(move || {
        let _ = before.map(JoinHandle::join);
        for first in (0..end).step_by(width as usize) {
            let ids = first..first.saturating_add(width).min(end);
            let load = Arc::clone(&load);
            match Weak::upgrade(&shared).map(|shared| shared.on_writer(move |writer| (load.lock())(writer, ids))) {
                Some(Ok(true)) => {}
                Some(Ok(false) | Err(StoreError::Closed)) | None => return,
                Some(Err(error)) => {
                    tracing::warn!(%error, "recent samples could not be loaded; they are read from disk");
                    return;
                }
            }
        }
    })
}

/// Returns the first and last timestamp between which samples of cold segments are loaded: from `age` before the newest sample or
/// now, or from later if that is estimated to be more than three quarters of `budget` samples; `None` if there is nothing to load.
fn older_span(layout: &SegmentLayout, now: i64, age: i64, budget: u64) -> Option<(i64, i64)> {
    let newest = layout.all().filter(|segment| segment.rows > 0).map(|segment| segment.max.min(now)).max()?;
    let from = newest.saturating_sub(age);
    let is_cold = |segment: &&Segment| segment.is_cold() && segment.rows > 0 && segment.overlaps(from, newest);
    let cold = || layout.frozen.iter().filter(is_cold);
    // Later samples are in memory already.
    let top = cold().map(|segment| segment.max.min(newest)).max()?;
    // The samples of a segment are taken to be spread evenly over its span.
    let within: u128 = cold()
        .map(|segment| {
            let part = segment.max.min(newest).saturating_sub(segment.min.max(from)).unsigned_abs().saturating_add(1);
            let whole = segment.max.saturating_sub(segment.min).unsigned_abs().saturating_add(1);
            (u128::from(segment.rows) * u128::from(part)).div_ceil(u128::from(whole))
        })
        .sum();
    let (whole, wanted) = (top.saturating_sub(from), u128::from(budget / 4 * 3));
    if age <= 0 || whole < 0 {
        return None;
    }
    let part = u128::from(whole.unsigned_abs()) * wanted / within.max(wanted).max(1);
    let part = i64::try_from(part).unwrap_or(whole);
    (part >= OLDER_MS_MIN.min(whole)).then(|| (top.saturating_sub(part), top))
}

fn recent_segments(layout: &SegmentLayout) -> impl Iterator<Item = &Segment> {
    layout.of(SegmentKind::Hot).chain(layout.of(SegmentKind::Late))
}

fn recent_rows(layout: &SegmentLayout) -> u64 {
    recent_segments(layout).map(|segment| segment.rows).sum()
}

/// Rebuilds the recent samples of all series.
pub(in crate::store) fn load_recent(
    connection: &Connection,
    layout: &SegmentLayout,
    budget_bytes: usize,
) -> Result<RecentSamples, StoreError> {
    load(connection, layout, budget_bytes, "true")
}

/// Rebuilds the recent samples of some series.
pub(in crate::store) fn load_recent_of(
    connection: &Connection,
    layout: &SegmentLayout,
    budget_bytes: usize,
    ids: &Range<u32>,
) -> Result<RecentSamples, StoreError> {
    load(connection, layout, budget_bytes, &format!("series_id >= {} AND series_id < {}", ids.start, ids.end))
}

/// Rebuilds the recent samples of the series that satisfy a condition: spans of cold samples first, then hot rows in arrival
/// order, then late rows by sequence number.
fn load(
    connection: &Connection,
    layout: &SegmentLayout,
    budget_bytes: usize,
    condition: &str,
) -> Result<RecentSamples, StoreError> {
    let mut recent = RecentSamples::new(budget_bytes);
    restore_spans(connection, &format!("FROM store.spans WHERE {condition}"), &mut recent)?;
    for segment in recent_segments(layout) {
        let order = if segment.kind == SegmentKind::Late { " ORDER BY seq" } else { "" };
        let sql = format!("SELECT series_id, timestamp, value FROM {} WHERE {condition}{order}", segment.table());
        for_each_batch(connection, &sql, |batch| {
            let ids = batch.column(0).as_primitive::<UInt32Type>();
            let timestamps = batch.column(1).as_primitive::<TimestampMillisecondType>();
            let values = batch.column(2).as_primitive::<Float64Type>();
            for row in 0..batch.num_rows() {
                let value = if values.is_null(row) { stale_marker() } else { values.value(row) };
                recent.grow(ids.value(row) + 1);
                recent.insert(ids.value(row), timestamps.value(row), value);
            }
            if recent.over_budget() {
                recent.evict();
            }
            Ok(())
        })?;
    }
    Ok(recent)
}

/// Records the spans that a statement returns as `series_id, min_ms, max_ms`.
fn restore_spans(connection: &Connection, sql: &str, recent: &mut RecentSamples) -> Result<(), StoreError> {
    let sql = format!("SELECT series_id, min_ms, max_ms FROM ({sql})");
    for_each_batch(connection, &sql, |batch| {
        let ids = batch.column(0).as_primitive::<UInt32Type>();
        let (min, max) = (batch.column(1).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            recent.restore_span(ids.value(row), min.value(row), max.value(row));
        }
        Ok(())
    })
}

/// Loads the spans of the native histograms.
pub(in crate::store) fn load_histograms(connection: &Connection) -> Result<RecentHistograms, StoreError> {
    let mut histograms = RecentHistograms::default();
    let sql = "SELECT series_id, epoch_ms(min(timestamp)), epoch_ms(max(timestamp)), count(*), max(seq)
               FROM store.histograms GROUP BY series_id";
    for_each_batch(connection, sql, |batch| {
        let ids = batch.column(0).as_primitive::<UInt32Type>();
        let number = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        for row in 0..batch.num_rows() {
            let span = (number(1, row), number(2, row));
            histograms.restore(ids.value(row), span, number(3, row).unsigned_abs(), number(4, row));
        }
        Ok(())
    })?;
    Ok(histograms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn layout(cold: &[(u64, i64, i64)]) -> SegmentLayout {
        let segment =
            |(id, &(rows, min, max)): (u64, &(u64, i64, i64))| Segment { id, kind: SegmentKind::Cold, rows, min, max };
        SegmentLayout {
            frozen: (2..).zip(cold).map(segment).collect(),
            hot: Segment::empty(0, SegmentKind::Hot),
            late: Segment::empty(1, SegmentKind::Late),
            hot_since: None,
            next_id: 100,
        }
    }

    #[test]
    fn the_last_hour_is_loaded_if_it_fits() {
        let day = layout(&[(24_000, 0, 24 * HOUR)]);
        assert_eq!(older_span(&day, 30 * HOUR, HOUR, 1_500), Some((23 * HOUR, 24 * HOUR)));
        // The clock is behind the newest sample.
        assert_eq!(older_span(&day, 12 * HOUR, HOUR, 1_500), Some((11 * HOUR, 12 * HOUR)));
    }

    #[test]
    fn of_more_than_fits_the_newest_part_is_loaded() {
        let day = layout(&[(24_000, 0, 24 * HOUR)]);
        let (from, _) = older_span(&day, 30 * HOUR, HOUR, 668).unwrap();
        assert!((from - 24 * HOUR + HOUR / 2).abs() < 5_000, "{from}");
        assert_eq!(older_span(&day, 30 * HOUR, HOUR, 10), None, "some seconds are not worth it");
        assert!(older_span(&day, 30 * HOUR, 1_000, 10).is_some(), "a second is all that was asked for");
    }

    #[test]
    fn what_hot_segments_have_takes_nothing_of_the_budget() {
        let mut day = layout(&[(24_000, 0, 24 * HOUR)]);
        (day.hot.rows, day.hot.min, day.hot.max) = (500, 24 * HOUR, 24 * HOUR + HOUR / 2);
        let (from, top) = older_span(&day, 30 * HOUR, HOUR, 334).unwrap();
        // Half an hour is wanted of the cold segment, and a quarter of an hour fits.
        assert_eq!(top, 24 * HOUR);
        assert!((from - 24 * HOUR + HOUR / 4).abs() < 10_000, "{from}");
    }

    #[test]
    fn nothing_is_loaded_without_cold_samples_of_that_age() {
        assert_eq!(older_span(&layout(&[]), HOUR, HOUR, 100), None);
        assert_eq!(older_span(&layout(&[(10, 0, HOUR)]), HOUR, 0, 100), None);
        let mut old = layout(&[(10, 0, HOUR)]);
        (old.hot.rows, old.hot.min, old.hot.max) = (5, 9 * HOUR, 10 * HOUR);
        assert_eq!(older_span(&old, 11 * HOUR, HOUR, 100), None);
        let all = layout(&[(10, i64::MIN / 2, i64::MAX / 2)]);
        assert!(older_span(&all, i64::MAX, i64::MAX, 100).is_some());
    }
}
