//! Deletes samples of selected series within a span: rows of every segment, rollups, spans and series.
//!
//! One transaction on the writer thread removes the rows themselves; there are no tombstones. A crash, a compaction or
//! a late sample cannot restore deleted rows, and samples that are written afterwards need no special treatment.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use arrow::{
    array::{AsArray, RecordBatch, UInt32Array},
    datatypes::{DataType, Field, Int64Type, Schema, UInt32Type},
};
use duckdb::Connection;

use super::{
    Segment, SegmentKind, SegmentLayout, block,
    build::{damaged, union_within},
    merge::without,
    rollup,
};
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher},
    store::{
        Deletion, DeletionReport, MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, StoreError,
        error::failed_to,
        index,
        read::{for_each_batch, instant},
        schema::{load_histograms, measure},
        shared::Shared,
        write::{ROW_BYTES, Writer, check_disk_space},
    },
};

/// Deletes the selected samples, or counts them in a dry run.
pub(in crate::store) fn delete(shared: &Arc<Shared>, what: &Deletion) -> Result<DeletionReport, StoreError> {
    let span = (
        what.from.map_or(MIN_TIMESTAMP_MS, |from| from.millis()),
        what.until.map_or(MAX_TIMESTAMP_MS, |until| until.millis()),
    );
    // Compaction moves rows between segments, so the two exclude each other.
    let _one_at_a_time = shared.compacting.lock();
    let ids = selected(shared, &what.matchers)?;
    if ids.is_empty() || span.0 > span.1 {
        return Ok(DeletionReport::default());
    }
    if what.dry_run {
        let layout = shared.layout.read().clone();
        let connection = shared.readers.connect()?;
        return DeletionScope::new(&connection, &ids, span)?.count(&layout);
    }
    shared.on_writer(move |writer| delete_on_writer(writer, &ids, span))
}

/// Returns the series to delete from.
///
/// # Errors
/// `EmptySelector` without a matcher that rejects the empty value; `WholeStore` when all series are selected by
/// anything but an equality or the explicit `{__name__=~".+"}`.
fn selected(shared: &Shared, matchers: &[Matcher]) -> Result<Vec<u32>, StoreError> {
    if matchers.iter().all(|matcher| matcher.matches_value("")) {
        return Err(StoreError::EmptySelector);
    }
    let ids = index::select(&shared.registry, matchers);
    let is_explicit = |matcher: &Matcher| {
        matcher.op() == MatchOp::Equal
            || (matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Regex && matcher.value() == ".+")
    };
    if ids.len() > 1 && ids.len() == index::select(&shared.registry, &[]).len() && !matchers.iter().any(is_explicit) {
        return Err(StoreError::WholeStore { series: ids.len() });
    }
    Ok(ids)
}

fn delete_on_writer(writer: &mut Writer, ids: &[u32], span: (i64, i64)) -> Result<DeletionReport, StoreError> {
    let mut layout = writer.shared.layout.read().clone();
    let counted = DeletionScope::new(&writer.connection, ids, span)?.count(&layout)?;
    if counted == DeletionReport::default() {
        return Ok(counted);
    }
    check_disk_space(&writer.shared.path, counted.samples.saturating_mul(ROW_BYTES), "a deletion")?;
    let end = writer.shared.registry.read().end();
    let shared = Arc::clone(&writer.shared);
    let suspended = shared.blocks.suspend();
    shared.rewritten.store(true, Ordering::Release);
    let (report, left, emptied) = writer.transaction(|connection| {
        let scope = DeletionScope::new(connection, ids, span)?;
        // Rollups at the ends of the span are computed from rows that the next step deletes.
        let edges = scope.stage_edges(&layout)?;
        scope.delete_rows(&mut layout)?;
        scope.delete_rollups(&edges)?;
        scope.renew_spans(&layout)?;
        let (left, emptied) = (scope.left(&layout)?, scope.delete_series(&layout, end)?);
        let report = DeletionReport { series_emptied: emptied.len() as u64, ..counted };
        Ok((report, left, emptied))
    })?;
    // The deletion is committed. Memory follows, the layout first, so that a read that starts now finds no deleted row.
    *writer.shared.layout.write() = layout;
    drop(suspended);
    {
        let mut recent = writer.shared.recent.write();
        for &id in ids {
            recent.delete(id, span.0, span.1, left.get(&id).copied());
        }
    }
    // After the commit, so that an error leaves spans that are too wide, which is harmless.
    match load_histograms(&writer.connection) {
        Ok(left) => *writer.shared.histograms.write() = left,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the spans of histograms could not be read")
        }
    }
    writer.note_emptied(emptied);
    // Workers for SQL read the last checkpoint, which still has the rows.
    match writer.checkpoint() {
        // They are told that rows are gone, until a later checkpoint.
        Ok(()) | Err(StoreError::Reading) => {}
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "checkpoint after a deletion failed"),
    }
    Ok(report)
}

/// Series and span of one deletion on one connection; the series numbers are in the temporary table `doomed`.
struct DeletionScope<'a> {
    connection: &'a Connection,
    /// Lowest and highest series number, by which DuckDB skips most of a sorted segment.
    bounds: (u32, u32),
    span: (i64, i64),
}

impl<'a> DeletionScope<'a> {
    fn new(connection: &'a Connection, ids: &[u32], span: (i64, i64)) -> Result<Self, StoreError> {
        let failed = failed_to("list the series to delete");
        connection
            .execute_batch("CREATE OR REPLACE TEMP TABLE doomed (series_id UINTEGER NOT NULL)")
            .map_err(&failed)?;
        let schema = Schema::new(vec![Field::new("series_id", DataType::UInt32, false)]);
        let rows = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(UInt32Array::from(ids.to_vec()))])
            .map_err(|error| StoreError::InvalidRow { table: "series", detail: error.to_string() })?;
        let mut appender = connection.appender_to_catalog_and_db("doomed", "temp", "main").map_err(&failed)?;
        appender.append_record_batch(rows).map_err(&failed)?;
        appender.flush().map_err(&failed)?;
        drop(appender);
        let bounds = (ids.first().copied().unwrap_or(0), ids.last().copied().unwrap_or(0));
        Ok(Self { connection, bounds, span })
    }

    /// Returns the SQL condition on the series.
    fn of_series(&self) -> String {
        let (first, last) = self.bounds;
        format!("series_id BETWEEN {first} AND {last} AND series_id IN (SELECT series_id FROM temp.main.doomed)")
    }

    /// Returns the SQL condition on series and span.
    fn condition(&self) -> String {
        let (from, until) = self.span;
        format!("{} AND timestamp BETWEEN {} AND {}", self.of_series(), instant(from), instant(until))
    }

    /// Returns the segments that may have rows in the span.
    fn touched(&self, layout: &SegmentLayout, is_late: bool) -> Vec<Segment> {
        let touches = |segment: &&Segment| {
            (segment.kind == SegmentKind::Late) == is_late
                && segment.rows > 0
                && segment.overlaps(self.span.0, self.span.1)
        };
        layout.all().filter(touches).cloned().collect()
    }

    /// Counts the affected samples, each once however often it was written, and their series and rollups.
    fn count(&self, layout: &SegmentLayout) -> Result<DeletionReport, StoreError> {
        let failed = failed_to("count the samples to delete");
        let condition = self.condition();
        let within = |is_late| {
            union_within("series_id, timestamp", &self.touched(layout, is_late), &self.of_series(), self.span)
        };
        let (base, late) = (within(false), within(true));
        // A late row with a base row of the same timestamp is another version of one sample, so it does not count.
        let sql = format!(
            "WITH base AS ({base}), late AS (SELECT DISTINCT * FROM ({late})),
             histograms AS (SELECT DISTINCT series_id, timestamp FROM store.histograms WHERE {condition}),
             every AS (FROM base UNION ALL FROM late ANTI JOIN base USING (series_id, timestamp)
                       UNION ALL FROM histograms)
             SELECT count(*), count(DISTINCT series_id), epoch_ms(min(timestamp)), epoch_ms(max(timestamp)) FROM every"
        );
        let (samples, series, oldest, newest): (u64, u64, Option<i64>, Option<i64>) = self
            .connection
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .map_err(&failed)?;
        let mut rollups = 0;
        for (table, width) in rollup::ROLLUPS {
            // The first bucket may start before the span.
            let from = instant(self.span.0.saturating_sub(width - 1));
            let sql = format!(
                "SELECT count(*) FROM store.{table} WHERE {} AND timestamp BETWEEN {from} AND {}",
                self.of_series(),
                instant(self.span.1)
            );
            rollups += self.connection.query_row(&sql, [], |row| row.get::<_, u64>(0)).map_err(&failed)?;
        }
        let at = |millis: Option<i64>| millis.map(almanac_models::Timestamp::from_millis);
        Ok(DeletionReport { series, samples, rollups, oldest: at(oldest), newest: at(newest), ..Default::default() })
    }

    /// Computes the part outside the span of the buckets at its ends, before the rows are deleted.
    fn stage_edges(&self, layout: &SegmentLayout) -> Result<Vec<i64>, StoreError> {
        rollup::stage_edges(self.connection, &layout.cold(), &self.of_series(), self.span)
    }

    fn delete_rollups(&self, edges: &[i64]) -> Result<(), StoreError> {
        rollup::delete_span(self.connection, &self.of_series(), self.span, edges)
    }

    /// Deletes the rows of all segments and stores the remaining row count and span of each.
    fn delete_rows(&self, layout: &mut SegmentLayout) -> Result<(), StoreError> {
        let failed = failed_to("delete samples");
        let sql = format!("DELETE FROM store.histograms WHERE {}", self.condition());
        self.connection.execute(&sql, []).map_err(&failed)?;
        let touched: Vec<Segment> = [false, true].into_iter().flat_map(|late| self.touched(layout, late)).collect();
        for segment in touched {
            let is_changed = match segment.kind {
                SegmentKind::Cold => self.delete_from_blocks(&segment)?,
                SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => {
                    let sql = format!("DELETE FROM {} WHERE {}", segment.table(), self.condition());
                    self.connection.execute(&sql, []).map_err(&failed)? > 0
                }
            };
            if !is_changed {
                continue;
            }
            let left = measure(self.connection, segment.id, segment.kind)?;
            let update = format!(
                "UPDATE store.segments SET rows = {}, min_ms = {}, max_ms = {} WHERE segment_id = {} AND frozen",
                left.rows, left.min, left.max, left.id
            );
            self.connection.execute_batch(&update).map_err(&failed)?;
            layout.replace(left);
        }
        Ok(())
    }

    /// Deletes the samples of the span from a segment's blocks and returns whether there were any. A block that is only
    /// partly within the span is replaced by one of its other samples.
    fn delete_from_blocks(&self, segment: &Segment) -> Result<bool, StoreError> {
        let failed = failed_to("delete samples");
        let (from, until) = (instant(self.span.0), instant(self.span.1));
        let touched = format!("{} AND begin_at <= {until} AND end_at >= {from}", self.of_series());
        let partly = format!("{touched} AND (begin_at < {from} OR end_at > {until})");
        let (mut left, mut unchanged) = (Vec::new(), 0);
        let sql = format!("SELECT {} FROM {} WHERE {partly}", block::COLUMNS, segment.table());
        for_each_batch(self.connection, &sql, |batch| {
            block::each(batch, |block| {
                let others = without(block, self.span).map_err(|error| damaged(block.series, &error))?;
                unchanged += usize::from(others.as_ref().is_some_and(|others| others.count == block.count));
                left.extend(others);
                Ok(())
            })
        })?;
        let sql = format!("DELETE FROM {} WHERE {touched}", segment.table());
        let deleted = self.connection.execute(&sql, []).map_err(&failed)?;
        let mut appender = block::Appender::new(self.connection, &segment.name())?;
        left.into_iter().try_for_each(|block| appender.push(block))?;
        appender.finish()?;
        Ok(deleted > unchanged)
    }

    /// Recomputes the span of each series' cold samples.
    fn renew_spans(&self, layout: &SegmentLayout) -> Result<(), StoreError> {
        let of_series = self.of_series();
        let cold: Vec<String> = layout.cold().iter().map(|segment| segment.spans(&of_series)).collect();
        let insert = if cold.is_empty() {
            String::new()
        } else {
            format!(
                "INSERT INTO store.spans SELECT series_id, min(min_ms), max(max_ms) FROM ({}) GROUP BY series_id",
                cold.join(" UNION ALL ")
            )
        };
        self.connection
            .execute_batch(&format!("DELETE FROM store.spans WHERE {of_series}; {insert}"))
            .map_err(failed_to("store the spans of series"))
    }

    /// Returns the oldest and newest remaining timestamp of each series.
    fn left(&self, layout: &SegmentLayout) -> Result<HashMap<u32, (i64, i64)>, StoreError> {
        let spans: Vec<String> = layout.all().map(|segment| segment.spans(&self.of_series())).collect();
        let sql = format!(
            "SELECT series_id, min(min_ms), max(max_ms) FROM ({}) GROUP BY series_id",
            spans.join(" UNION ALL ")
        );
        let mut left = HashMap::new();
        for_each_batch(self.connection, &sql, |batch| {
            let ids = batch.column(0).as_primitive::<UInt32Type>().values();
            let (min, max) = (batch.column(1).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int64Type>());
            left.extend(ids.iter().enumerate().map(|(row, &id)| (id, (min.value(row), max.value(row)))));
            Ok(())
        })?;
        Ok(left)
    }

    /// Deletes the rows of series without samples and rollups, and returns their numbers. Numbers are never assigned
    /// twice.
    fn delete_series(&self, layout: &SegmentLayout, end: u32) -> Result<Vec<u32>, StoreError> {
        let failed = failed_to("delete series");
        let of_series = self.of_series();
        let present: String = layout
            .all()
            .filter(|segment| segment.rows > 0)
            .map(|s| format!(" AND series_id NOT IN (SELECT series_id FROM {} WHERE {of_series})", s.table()))
            .collect();
        let sql = format!(
            "SELECT series_id FROM store.series WHERE {of_series}{present}
               AND series_id NOT IN (SELECT series_id FROM store.histograms WHERE {of_series})
               AND series_id NOT IN (SELECT series_id FROM store.rollup_5m WHERE {of_series})
               AND series_id NOT IN (SELECT series_id FROM store.rollup_1h WHERE {of_series})"
        );
        let mut emptied = Vec::new();
        for_each_batch(self.connection, &sql, |batch| {
            emptied.extend_from_slice(batch.column(0).as_primitive::<UInt32Type>().values());
            Ok(())
        })?;
        if emptied.is_empty() {
            return Ok(emptied);
        }
        let list: Vec<String> = emptied.iter().map(u32::to_string).collect();
        self.connection
            .execute_batch(&format!(
                "DELETE FROM store.series WHERE series_id IN ({});
                 DELETE FROM store.meta WHERE key = 'next_series_id';
                 INSERT INTO store.meta VALUES ('next_series_id', '{end}')",
                list.join(",")
            ))
            .map_err(&failed)?;
        Ok(emptied)
    }
}

impl Drop for DeletionScope<'_> {
    fn drop(&mut self) {
        // A failure is harmless: the temporary table ends with the connection, and the next deletion replaces it.
        let _ = self.connection.execute_batch("DROP TABLE IF EXISTS temp.main.doomed");
    }
}
