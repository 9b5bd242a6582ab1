//! Builds a cold segment from the segments of a merge, deduplicated and sorted.

use duckdb::Connection;

use super::{Segment, SegmentKind, plan::Merge};
use crate::store::{StoreError, error::failed_to, read::instant, schema::measure};

/// Maximum number of rows sorted at once. A larger merge is built by ranges of series, to bound memory.
const CHUNK_ROWS: u64 = 8_000_000;

/// Result of a merge, written but not yet in the list of segments.
#[derive(Debug)]
pub(super) struct BuiltSegment {
    /// New segment; `None` when no row was left.
    pub(super) run: Option<Segment>,
    /// Rows older than the cutoff, which were not written.
    pub(super) expired: u64,
    /// Rows replaced by a later write, which were not written.
    pub(super) replaced: u64,
}

/// Returns `SELECT … UNION ALL SELECT …` over segments.
pub(super) fn union(columns: &str, segments: &[Segment]) -> String {
    let parts: Vec<String> = segments.iter().map(|s| format!("SELECT {columns} FROM {}", s.table())).collect();
    if parts.is_empty() {
        // An empty relation with the same columns.
        return format!(
            "SELECT {columns} FROM (SELECT 0::UINTEGER AS series_id, NULL::TIMESTAMP_MS AS timestamp, NULL::DOUBLE AS value, \
             0::BIGINT AS seq) WHERE false"
        );
    }
    parts.join(" UNION ALL ")
}

/// Writes a merge's rows, deduplicated and sorted by series and time, into the cold segment `id`.
pub(super) fn build(
    connection: &Connection,
    merge: &Merge,
    id: u64,
    cutoff: Option<i64>,
) -> Result<BuiltSegment, StoreError> {
    let failed = failed_to("write a compacted segment");
    let mut run = Segment::empty(id, SegmentKind::Cold);
    let table = run.table();
    connection
        .execute_batch(&format!(
            "CREATE OR REPLACE TABLE {table} (series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE);
             CREATE OR REPLACE TEMP TABLE stage_late AS SELECT series_id, timestamp, value FROM ({})
                 QUALIFY row_number() OVER (PARTITION BY series_id, timestamp ORDER BY seq DESC) = 1",
            union("series_id, timestamp, value, seq", &merge.late)
        ))
        .map_err(&failed)?;
    // A late row replaces the base row of the same series and timestamp.
    let base = union("series_id, timestamp, value", &merge.base);
    let rows = if merge.late.is_empty() {
        format!("FROM ({base})")
    } else {
        format!(
            "FROM (FROM ({base}) ANTI JOIN temp.main.stage_late USING (series_id, timestamp)
             UNION ALL FROM temp.main.stage_late)"
        )
    };
    let kept = cutoff.map_or_else(String::new, |cutoff| format!("AND timestamp >= {}", instant(cutoff)));
    for (first, last) in chunks(connection, merge)? {
        connection
            .execute_batch(&format!(
                "INSERT INTO {table} SELECT series_id, timestamp, value {rows}
                 WHERE series_id BETWEEN {first} AND {last} {kept} ORDER BY series_id, timestamp"
            ))
            .map_err(&failed)?;
    }
    run = measure(connection, id, SegmentKind::Cold)?;
    let input_rows: u64 = merge.base.iter().chain(&merge.late).map(|segment| segment.rows).sum();
    let expired = match cutoff {
        // Counting reads all rows, so it is skipped when no segment reaches below the cutoff.
        Some(cutoff) if merge.base.iter().chain(&merge.late).any(|segment| segment.min < cutoff) => connection
            .query_row(
                &format!(
                    "SELECT count(*) FROM ({base} UNION ALL FROM temp.main.stage_late) WHERE timestamp < {}",
                    instant(cutoff)
                ),
                [],
                |row| row.get(0),
            )
            .map_err(&failed)?,
        _ => 0,
    };
    connection.execute_batch("DROP TABLE temp.main.stage_late").map_err(&failed)?;
    // Every input row is written, expired, or replaced by another version.
    let replaced = input_rows.saturating_sub(expired).saturating_sub(run.rows);
    if run.rows == 0 {
        connection.execute_batch(&format!("DROP TABLE {table}")).map_err(&failed)?;
        return Ok(BuiltSegment { run: None, expired, replaced });
    }
    Ok(BuiltSegment { run: Some(run), expired, replaced })
}

/// Returns ranges of series numbers (first, last) with about `CHUNK_ROWS` rows each.
fn chunks(connection: &Connection, merge: &Merge) -> Result<Vec<(u32, u32)>, StoreError> {
    let rows: u64 = merge.base.iter().chain(&merge.late).map(|segment| segment.rows).sum();
    if rows <= CHUNK_ROWS {
        return Ok(vec![(0, u32::MAX)]);
    }
    let failed = failed_to("measure the segments to compact");
    let every: Vec<Segment> = merge.base.iter().chain(&merge.late).cloned().collect();
    let mut statement = connection
        .prepare(&format!(
            "SELECT max(series_id)::UINTEGER FROM (
                 SELECT series_id, (sum(count(*)) OVER (ORDER BY series_id) - 1) // {CHUNK_ROWS} AS chunk
                 FROM ({}) GROUP BY series_id)
             GROUP BY chunk ORDER BY 1",
            union("series_id", &every)
        ))
        .map_err(&failed)?;
    let ends: Vec<u32> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(&failed)?;
    let mut first = 0;
    let mut ranges = Vec::with_capacity(ends.len());
    for end in ends {
        ranges.push((first, end));
        first = end.saturating_add(1);
    }
    Ok(ranges)
}
