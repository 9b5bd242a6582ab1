//! Loads the recent samples into memory: when a store opens, after it has opened, and after a failed commit.

use std::{
    ops::Range,
    sync::{Arc, Weak},
};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Float64Type, Int64Type, TimestampMillisecondType, UInt32Type},
};
use duckdb::Connection;

use crate::{
    series::stale_marker,
    store::{
        StoreError, StoreOptions,
        read::for_each_batch,
        segment::{Segment, SegmentKind, SegmentLayout},
        shared::Shared,
        write::{RecentHistograms, RecentSamples},
    },
};

/// Number of rows that are loaded between two groups of the writer; senders wait meanwhile.
const LOADED_AT_ONCE: u64 = 500_000;

/// Loads what an opening needs: the recent samples, or only their spans if they are many. Returns whether samples are left for
/// [`load_later`].
pub(in crate::store) fn load_opening(
    connection: &Connection,
    layout: &SegmentLayout,
    options: &StoreOptions,
) -> Result<(RecentSamples, bool), StoreError> {
    if recent_rows(layout) <= options.loaded_rows {
        return Ok((load_recent(connection, layout, options.recent_bytes)?, false));
    }
    let mut recent = RecentSamples::new(options.recent_bytes);
    restore_spans(connection, "FROM store.spans", &mut recent)?;
    for segment in recent_segments(layout) {
        restore_spans(connection, &segment.spans(""), &mut recent)?;
    }
    Ok((recent, true))
}

/// Loads the samples that an opening has left out, some series at a time. Reads find them on disk until then.
pub(in crate::store) fn load_later(shared: &Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let end = shared.registry.read().end();
    let parts = recent_rows(&shared.layout.read()).div_ceil(LOADED_AT_ONCE).max(1);
    let width = end.div_ceil(u32::try_from(parts).unwrap_or(u32::MAX)).max(1);
    let shared = Arc::downgrade(shared);
    std::thread::Builder::new().name("almanac-loader".into()).spawn(move || {
        for first in (0..end).step_by(width as usize) {
            let ids = first..first.saturating_add(width).min(end);
            let loaded = Weak::upgrade(&shared).map(|shared| shared.on_writer(move |writer| writer.load(ids)));
            match loaded {
                Some(Ok(())) => {}
                None | Some(Err(StoreError::Closed)) => return,
                Some(Err(error)) => {
                    tracing::warn!(%error, "recent samples could not be loaded; they are read from disk");
                    return;
                }
            }
        }
    })
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
