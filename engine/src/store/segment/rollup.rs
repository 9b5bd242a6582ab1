//! Rollups of 5 minutes and 1 hour, recomputed by compaction and adjusted by deletion.

use duckdb::Connection;

use super::{Segment, SegmentKind, SegmentLayout, build::union, plan::Merge};
use crate::store::{MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, StoreError, error::failed_to, read::instant};

/// Rollup tables and their bucket width in milliseconds.
pub(super) const ROLLUPS: [(&str, i64); 2] = [("rollup_5m", 300_000), ("rollup_1h", 3_600_000)];

/// Returns the SQL expression of a timestamp's bucket start; correct also before 1970, where `%` is negative.
fn bucket(width_ms: i64) -> String {
    format!(
        "make_timestamp_ms(epoch_ms(timestamp) - ((epoch_ms(timestamp) % {width_ms}) + {width_ms}) % {width_ms})::TIMESTAMP_MS"
    )
}

/// Recomputes every bucket that the hot and late segments of a merge touch, into `store.stage_<rollup>`.
///
/// `run`: the merged segment. Buckets before `cutoff` are not changed, because their raw samples have expired.
pub(super) fn stage(
    connection: &Connection,
    layout: &SegmentLayout,
    merge: &Merge,
    run: Option<&Segment>,
    cutoff: Option<i64>,
) -> Result<(), StoreError> {
    let failed = failed_to("compute rollups");
    let new: Vec<Segment> =
        merge.base.iter().filter(|s| s.kind == SegmentKind::Hot).chain(&merge.late).cloned().collect();
    let (from, to) = (new.iter().map(|s| s.min).min().unwrap_or(0), new.iter().map(|s| s.max).max().unwrap_or(0));
    for (table, width) in ROLLUPS {
        // A bucket also contains older samples, of cold segments outside the merge.
        let (from, to) = (from.saturating_sub(width), to.saturating_add(width));
        let others = layout.frozen.iter().filter(|s| s.kind == SegmentKind::Cold && s.overlaps(from, to));
        let source: Vec<Segment> = others.filter(|s| !merge.base.contains(s)).chain(run).cloned().collect();
        let kept = cutoff.map_or_else(String::new, |cutoff| format!("WHERE bucket >= {}", instant(cutoff)));
        let bucket = bucket(width);
        connection
            .execute_batch(&format!(
                "DROP TABLE IF EXISTS store.stage_{table};
                 CREATE TABLE store.stage_{table} AS
                 WITH touched AS (FROM (SELECT DISTINCT series_id, {bucket} AS bucket FROM ({new})) {kept}),
                 source AS (SELECT series_id, timestamp, value, {bucket} AS bucket FROM ({source})
                            WHERE timestamp BETWEEN {from} AND {to})
                 SELECT touched.series_id, touched.bucket AS timestamp, count(value) AS count, sum(value) AS sum,
                     min(value) AS min, max(value) AS max, arg_max(value, timestamp) AS last
                 FROM touched LEFT JOIN source USING (series_id, bucket)
                 GROUP BY touched.series_id, touched.bucket ORDER BY ALL",
                new = union("series_id, timestamp", &new),
                source = union("series_id, timestamp, value", &source),
                from = instant(from),
                to = instant(to),
            ))
            .map_err(&failed)?;
    }
    Ok(())
}

/// Replaces the old buckets with the staged ones and returns the number of rows written.
pub(super) fn swap(connection: &Connection) -> Result<u64, StoreError> {
    let failed = failed_to("store rollups");
    let mut written = 0;
    for (table, _) in ROLLUPS {
        let stage = format!("store.stage_{table}");
        // The bounds allow DuckDB to skip row groups outside them.
        let bounds: (Option<i64>, Option<i64>) = connection
            .query_row(&format!("SELECT epoch_ms(min(timestamp)), epoch_ms(max(timestamp)) FROM {stage}"), [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(&failed)?;
        if let (Some(from), Some(to)) = bounds {
            connection
                .execute(
                    &format!(
                        "DELETE FROM store.{table} AS old USING {stage} AS new
                         WHERE old.series_id = new.series_id AND old.timestamp = new.timestamp
                             AND old.timestamp BETWEEN {} AND {}",
                        instant(from),
                        instant(to)
                    ),
                    [],
                )
                .map_err(&failed)?;
            written += connection
                .execute(&format!("INSERT INTO store.{table} FROM {stage} WHERE count > 0"), [])
                .map_err(&failed)? as u64;
        }
        connection.execute_batch(&format!("DROP TABLE {stage}")).map_err(&failed)?;
    }
    Ok(written)
}

/// Buckets of one rollup that a deletion covers partly, staged in `temp.main.edge_<rollup>`.
#[derive(Debug)]
pub(super) struct EdgeBuckets {
    table: &'static str,
    /// Starts of the buckets in epoch milliseconds: none, one or two.
    buckets: Vec<i64>,
}

/// Returns the buckets that contain an end of the span but are not entirely within it.
fn partial_buckets((from, until): (i64, i64), width: i64) -> Vec<i64> {
    let start = |at: i64| at.div_euclid(width) * width;
    let mut buckets = Vec::new();
    if start(from) != from && from > MIN_TIMESTAMP_MS {
        buckets.push(start(from));
    }
    let last = start(until);
    if last + width - 1 != until && until < MAX_TIMESTAMP_MS && !buckets.contains(&last) {
        buckets.push(last);
    }
    buckets
}

/// Computes the part outside the span of the buckets at its ends, for the series that satisfy the condition
/// `of_series`. Must run before the rows are deleted.
pub(super) fn stage_edges(
    connection: &Connection,
    cold: &[Segment],
    of_series: &str,
    span: (i64, i64),
) -> Result<Vec<EdgeBuckets>, StoreError> {
    let mut edges = Vec::new();
    for (table, width) in ROLLUPS {
        let buckets = partial_buckets(span, width);
        let within: Vec<String> = buckets
            .iter()
            .map(|&begin| format!("timestamp BETWEEN {} AND {}", instant(begin), instant(begin + width - 1)))
            .collect();
        let within = if within.is_empty() { "false".to_owned() } else { within.join(" OR ") };
        let kept = format!("FILTER (timestamp < {} OR timestamp > {})", instant(span.0), instant(span.1));
        connection
            .execute_batch(&format!(
                "CREATE OR REPLACE TEMP TABLE edge_{table} AS
                 SELECT series_id, {bucket} AS timestamp, count(value) AS all_count, count(value) {kept} AS count,
                     sum(value) {kept} AS sum, min(value) {kept} AS min, max(value) {kept} AS max,
                     arg_max(value, timestamp) {kept} AS last
                 FROM ({source}) WHERE {of_series} AND ({within}) GROUP BY ALL",
                bucket = bucket(width),
                source = union("series_id, timestamp, value", cold),
            ))
            .map_err(failed_to("compute rollups"))?;
        edges.push(EdgeBuckets { table, buckets });
    }
    Ok(edges)
}

/// Deletes the buckets within a span and replaces those at its ends by their part outside it.
///
/// A bucket at an end whose raw samples have expired cannot be divided. It is deleted, since it may include deleted
/// samples.
pub(super) fn delete_span(
    connection: &Connection,
    of_series: &str,
    (from, until): (i64, i64),
    edges: &[EdgeBuckets],
) -> Result<(), StoreError> {
    let failed = failed_to("delete rollups");
    for EdgeBuckets { table, buckets } in edges {
        let is_edge = if buckets.is_empty() {
            "false".to_owned()
        } else {
            let begins: Vec<String> = buckets.iter().map(|&begin| instant(begin)).collect();
            format!("timestamp IN ({})", begins.join(", "))
        };
        // A stored count above `all_count` means that some raw samples of the bucket have expired.
        let unchanged = format!(
            "EXISTS (FROM temp.main.edge_{table} AS edge WHERE edge.series_id = old.series_id
                 AND edge.timestamp = old.timestamp AND edge.all_count >= old.count AND edge.count = edge.all_count)"
        );
        connection
            .execute_batch(&format!(
                "CREATE OR REPLACE TEMP TABLE kept_{table} AS
                 SELECT edge.series_id, edge.timestamp, edge.count::UBIGINT AS count, edge.sum, edge.min, edge.max, edge.last
                 FROM temp.main.edge_{table} AS edge JOIN store.{table} AS old
                     ON edge.series_id = old.series_id AND edge.timestamp = old.timestamp
                 WHERE edge.all_count >= old.count AND edge.count < edge.all_count AND edge.count > 0;
                 DELETE FROM store.{table} AS old WHERE {of_series} AND (({is_edge} AND NOT {unchanged})
                     OR (NOT {is_edge} AND timestamp BETWEEN {from} AND {until}));
                 INSERT INTO store.{table} FROM temp.main.kept_{table};
                 DROP TABLE temp.main.kept_{table}; DROP TABLE temp.main.edge_{table}",
                from = instant(from),
                until = instant(until),
            ))
            .map_err(&failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_at_the_ends_of_a_span_are_found() {
        assert_eq!(partial_buckets((0, 299), 100), Vec::<i64>::new());
        assert_eq!(partial_buckets((1, 299), 100), [0]);
        assert_eq!(partial_buckets((0, 250), 100), [200]);
        assert_eq!(partial_buckets((110, 250), 100), [100, 200]);
        assert_eq!(partial_buckets((110, 150), 100), [100]);
        assert_eq!(partial_buckets((-50, -10), 100), [-100]);
        assert_eq!(partial_buckets((MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS), 300_000), Vec::<i64>::new());
    }
}
