//! Changes of the segment list on the writer thread: rotation, replacement after a merge, and retention of other
//! tables.

use duckdb::Connection;

use super::{
    Segment, SegmentKind, SegmentLayout,
    plan::Merge,
    retention::{Retention, store_approved},
    rollup,
};
use crate::store::{
    StoreError,
    error::failed_to,
    read::instant,
    schema::{create_sample_views, load_histograms},
    write::Writer,
};

/// Freezes the active segments that have rows and creates new ones.
pub(super) fn rotate(writer: &mut Writer, now: i64) -> Result<(), StoreError> {
    let mut layout = writer.shared.layout.read().clone();
    let mut frozen = Vec::new();
    if layout.hot.rows > 0 {
        let id = layout.take_id();
        frozen.push(std::mem::replace(&mut layout.hot, Segment::empty(id, SegmentKind::Hot)));
        layout.hot_since = Some(now);
    }
    if layout.late.rows > 0 {
        let id = layout.take_id();
        frozen.push(std::mem::replace(&mut layout.late, Segment::empty(id, SegmentKind::Late)));
    }
    if frozen.is_empty() {
        return Ok(());
    }
    let mut sql = String::new();
    for old in &frozen {
        let (new, seq) = match old.kind {
            SegmentKind::Late => (&layout.late, ", seq BIGINT NOT NULL"),
            SegmentKind::Hot | SegmentKind::Cold | SegmentKind::Rows => (&layout.hot, ""),
        };
        sql.push_str(&format!(
            "CREATE TABLE {} (series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE{seq});
             INSERT INTO store.segments (segment_id, kind, frozen, since_ms) VALUES ({}, '{}', false, {now});
             UPDATE store.segments SET frozen = true, rows = {}, min_ms = {}, max_ms = {} WHERE segment_id = {};",
            new.table(),
            new.id,
            new.kind.as_str(),
            old.rows,
            old.min,
            old.max,
            old.id,
        ));
    }
    layout.frozen.append(&mut frozen);
    writer.transaction(|connection| {
        connection.execute_batch(&sql).map_err(failed_to("create a segment"))?;
        create_sample_views(connection, &layout)
    })?;
    // Only after the commit: readers must not see a segment that a failed transaction has undone.
    *writer.shared.layout.write() = layout;
    Ok(())
}

/// Stores the time since which the hot segment has rows.
pub(super) fn note_since(writer: &mut Writer, now: i64) -> Result<(), StoreError> {
    let hot = writer.shared.layout.read().hot.id;
    writer.transaction(|connection| {
        connection
            .execute_batch(&format!("UPDATE store.segments SET since_ms = {now} WHERE segment_id = {hot}"))
            .map_err(failed_to("store the age of a segment"))
    })?;
    writer.shared.layout.write().hot_since = Some(now);
    Ok(())
}

/// What a merge has staged in tables besides the new segment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Staged {
    /// Hours and spans: the merge contains new samples.
    pub(super) new: bool,
    /// Buckets of 5 minutes of samples that have expired.
    pub(super) expired: bool,
}

/// Replaces the merged segments with the new one and returns the number of rollup rows written.
pub(super) fn swap(
    writer: &mut Writer,
    merge: &Merge,
    run: Option<Segment>,
    staged: Staged,
) -> Result<u64, StoreError> {
    let gone: Vec<&Segment> = merge.all().collect();
    let mut layout: SegmentLayout = writer.shared.layout.read().clone();
    layout.frozen.retain(|segment| !gone.iter().any(|old| old.id == segment.id));
    let mut sql = String::new();
    for old in &gone {
        sql.push_str(&format!("DROP TABLE {}; DELETE FROM store.segments WHERE segment_id = {};", old.table(), old.id));
    }
    if let Some(run) = run {
        sql.push_str(&run.listed());
        layout.frozen.push(run);
        layout.frozen.sort_by_key(|segment| segment.id);
    }
    let rollups = writer.transaction(|connection| {
        let failed = failed_to("replace segments by the compacted one");
        let mut rollups = 0;
        if staged.new {
            rollups = rollup::swap(connection)?;
            connection
                .execute_batch("DELETE FROM store.spans; INSERT INTO store.spans FROM store.stage_spans; DROP TABLE store.stage_spans")
                .map_err(&failed)?;
        }
        if staged.expired {
            rollup::store_expired(connection)?;
        }
        connection.execute_batch(&sql).map_err(&failed)?;
        create_sample_views(connection, &layout)?;
        Ok(rollups)
    })?;
    *writer.shared.layout.write() = layout.clone();
    writer.shared.blocks.keep(&layout);
    Ok(rollups)
}

/// Computes the spans of all series as of after the merge, into `store.stage_spans`.
pub(super) fn stage_spans(connection: &Connection, merge: &Merge) -> Result<(), StoreError> {
    let spans: String = merge.all().map(|segment| format!(" UNION ALL {}", segment.spans(""))).collect();
    connection
        .execute_batch(&format!(
            "DROP TABLE IF EXISTS store.stage_spans;
             CREATE TABLE store.stage_spans AS
             SELECT series_id, min(min_ms) AS min_ms, max(max_ms) AS max_ms FROM (FROM store.spans{spans})
             GROUP BY series_id ORDER BY series_id"
        ))
        .map_err(failed_to("store the spans of series"))
}

/// Deletes expired rows of the other tables, and stores the approved cutoffs.
pub(super) fn expire_rows(writer: &mut Writer, retention: &Retention) -> Result<(), StoreError> {
    let mut sql = store_approved(&retention.approved);
    if let Some(cutoff) = retention.samples {
        sql.push_str(&format!(
            "DELETE FROM store.spans WHERE max_ms < {cutoff};
             UPDATE store.spans SET min_ms = {cutoff} WHERE min_ms < {cutoff};"
        ));
    }
    for (table, cutoff) in &retention.tables {
        sql.push_str(&format!("DELETE FROM store.{table} WHERE timestamp < {};", instant(*cutoff)));
    }
    if sql.is_empty() {
        return Ok(());
    }
    writer.transaction(|connection| connection.execute_batch(&sql).map_err(failed_to("delete expired rows")))?;
    if retention.tables.contains_key("histograms") {
        *writer.shared.histograms.write() = load_histograms(&writer.connection)?;
    }
    Ok(())
}
