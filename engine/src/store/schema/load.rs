//! Loads series and segments into memory when a store opens.

use arrow::{array::AsArray, datatypes::UInt32Type};
use duckdb::Connection;

use crate::store::{
    StoreError,
    error::failed_to,
    index::Registry,
    read::for_each_batch,
    segment::{Segment, SegmentKind, SegmentLayout},
    write::{RecentHistograms, RecentSamples},
};

/// Loads the registry of series.
pub(in crate::store) fn load_registry(
    connection: &Connection,
    max_series: usize,
    label_bytes: usize,
) -> Result<Registry, StoreError> {
    let mut registry = Registry::new(max_series, label_bytes);
    let corrupt = |detail: &str| StoreError::Corrupt { table: "series", detail: detail.to_owned() };
    for_each_batch(connection, "SELECT series_id, labels FROM store.series ORDER BY series_id", |batch| {
        let ids = batch.column(0).as_primitive::<UInt32Type>();
        let maps = batch.column(1).as_map();
        let (names, values) = (maps.keys().as_string::<i32>(), maps.values().as_string::<i32>());
        for row in 0..batch.num_rows() {
            let (from, to) = (maps.value_offsets()[row], maps.value_offsets()[row + 1]);
            let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
            registry.restore(ids.value(row), range.map(|idx| (names.value(idx), values.value(idx))))?;
        }
        Ok(())
    })?;
    let next: Option<String> = connection
        .query_row("SELECT max(value) FROM store.meta WHERE key = 'next_series_id'", [], |row| row.get(0))
        .map_err(failed_to("read the next series number"))?;
    if let Some(next) = next {
        registry.skip_to(next.parse().map_err(|_| corrupt("next_series_id is not a number"))?);
    }
    Ok(registry)
}

/// Loads the list of segments.
pub(in crate::store) fn load_layout(connection: &Connection) -> Result<SegmentLayout, StoreError> {
    let failed = failed_to("read the list of segments");
    let corrupt = |detail: String| StoreError::Corrupt { table: "segments", detail };
    let mut statement = connection
        .prepare(
            "SELECT segment_id, kind, frozen, rows, min_ms, max_ms, since_ms FROM store.segments ORDER BY segment_id",
        )
        .map_err(&failed)?;
    type Row = (u64, String, bool, Option<u64>, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = statement
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        })
        .and_then(Iterator::collect)
        .map_err(&failed)?;
    let (mut frozen, mut hot, mut late, mut hot_since, mut next_id) = (Vec::new(), None, None, None, 1);
    for (id, kind, is_frozen, rows, min, max, since) in rows {
        let kind = SegmentKind::parse(&kind).ok_or_else(|| corrupt(format!("unknown segment kind {kind:?}")))?;
        let mut segment =
            Segment { id, kind, rows: rows.unwrap_or(0), min: min.unwrap_or(i64::MAX), max: max.unwrap_or(i64::MIN) };
        // Rows and span of the segments that take rows are not stored; they are counted here.
        if rows.is_none() {
            segment = measure(connection, id, kind)?;
        }
        next_id = next_id.max(id + 1);
        match kind {
            _ if is_frozen => frozen.push(segment),
            SegmentKind::Hot => {
                hot = Some(segment);
                hot_since = since;
            }
            SegmentKind::Late => late = Some(segment),
            SegmentKind::Cold | SegmentKind::Rows => return Err(corrupt(format!("cold segment {id} is not frozen"))),
        }
    }
    match (hot, late) {
        (Some(hot), Some(late)) => Ok(SegmentLayout { frozen, hot, late, hot_since, next_id }),
        _ => Err(corrupt("there is no active hot and late segment".to_owned())),
    }
}

/// Counts a segment's samples and determines its time span.
pub(in crate::store) fn measure(connection: &Connection, id: u64, kind: SegmentKind) -> Result<Segment, StoreError> {
    let mut segment = Segment::empty(id, kind);
    let columns = match kind {
        SegmentKind::Cold => "coalesce(sum(count), 0)::BIGINT, epoch_ms(min(begin_at)), epoch_ms(max(end_at))",
        SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => {
            "count(*), epoch_ms(min(timestamp)), epoch_ms(max(timestamp))"
        }
    };
    let sql = format!("SELECT {columns} FROM {}", segment.table());
    let (rows, min, max): (i64, Option<i64>, Option<i64>) = connection
        .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(failed_to("measure a segment"))?;
    segment.add(rows.unsigned_abs(), min.zip(max));
    Ok(segment)
}

/// Returns the sequence number of the next late row.
pub(in crate::store) fn load_next_seq(connection: &Connection, layout: &SegmentLayout) -> Result<i64, StoreError> {
    let mut next = 0;
    for late in layout.of(SegmentKind::Late) {
        let newest: Option<i64> = connection
            .query_row(&format!("SELECT max(seq) FROM {}", late.table()), [], |row| row.get(0))
            .map_err(failed_to("read the late samples"))?;
        next = next.max(newest.map_or(0, |seq| seq + 1));
    }
    Ok(next)
}

/// Deletes series whose samples and rollups have all been dropped by retention. Called at opening only: while the store
/// is open, senders may cache their numbers.
pub(in crate::store) fn drop_dead_series(
    connection: &Connection,
    registry: &mut Registry,
    recent: &RecentSamples,
    histograms: &RecentHistograms,
) -> Result<(), StoreError> {
    let failed = failed_to("delete series without samples");
    let lives = |id: u32| recent.overlaps(id, i64::MIN, i64::MAX) || histograms.overlaps(id, i64::MIN, i64::MAX);
    let is_dead = |id: u32| !registry.is_hole(id) && !lives(id);
    let dead: Vec<String> = (0..registry.end()).filter(|&id| is_dead(id)).map(|id| id.to_string()).collect();
    if dead.is_empty() {
        return Ok(());
    }
    let delete = format!(
        "DELETE FROM store.series WHERE series_id IN ({})
             AND series_id NOT IN (SELECT series_id FROM store.rollup_5m)
             AND series_id NOT IN (SELECT series_id FROM store.rollup_1h)",
        dead.join(",")
    );
    // The highest number may belong to a deleted series; numbers are never assigned twice.
    let save_next_id = format!(
        "DELETE FROM store.meta WHERE key = 'next_series_id';
         INSERT INTO store.meta VALUES ('next_series_id', '{}'); COMMIT",
        registry.end()
    );
    let delete_dead = || -> duckdb::Result<usize> {
        connection.execute_batch("BEGIN TRANSACTION")?;
        let deleted = connection.execute(&delete, [])?;
        connection.execute_batch(&save_next_id)?;
        Ok(deleted)
    };
    let deleted = delete_dead().map_err(|error| {
        let _ = connection.execute_batch("ROLLBACK");
        failed(error)
    })?;
    if deleted > 0 {
        *registry = load_registry(connection, registry.limit(), registry.label_limit())?;
    }
    Ok(())
}
