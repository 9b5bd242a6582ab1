//! Rollups: hours, recomputed by compaction and adjusted by deletion, and 5 minutes, stored once their samples expire.

use duckdb::Connection;

use super::{
    Segment, SegmentKind, SegmentLayout,
    build::{union, union_within},
    plan::Merge,
};
use crate::store::{MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, StoreError, error::failed_to, read::instant};

/// Rollup tables and their bucket width in milliseconds.
pub(super) const ROLLUPS: [(&str, i64); 2] = [(FINE, FINE_MS), (HOURS, HOURS_MS)];

/// Buckets of 5 minutes of samples that have expired. Those of stored samples are computed when they are read, so that
/// they take no space. A bucket whose samples expire in several steps has several rows.
const FINE: &str = "rollup_5m";
pub(super) const FINE_MS: i64 = 300_000;
/// Buckets of an hour.
const HOURS: &str = "rollup_1h";
const HOURS_MS: i64 = 3_600_000;

/// Returns the SQL expression of a timestamp's bucket start; correct also before 1970, where `%` is negative.
fn bucket(width_ms: i64) -> String {
    format!(
        "make_timestamp_ms(epoch_ms(timestamp) - ((epoch_ms(timestamp) % {width_ms}) + {width_ms}) % {width_ms})::TIMESTAMP_MS"
    )
}

/// Returns the SQL expression of the start of the bucket of 5 minutes that a column `timestamp` is in.
pub(in crate::store) fn fine_bucket() -> String {
    bucket(FINE_MS)
}

/// Returns the relation of one bucket of 5 minutes for each sample of a relation of samples.
pub(super) fn buckets_of_samples(samples: &str) -> String {
    format!(
        "(SELECT series_id, {} AS timestamp, 1::UBIGINT AS count, value AS sum, value AS min, value AS max, value AS last,
             timestamp AS last_at
         FROM {samples} WHERE value IS NOT NULL)",
        bucket(FINE_MS)
    )
}

/// Returns the `SELECT` of the buckets of 5 minutes: of expired samples, and of the relations `parts` of buckets of other
/// samples. Buckets of the same series and start are added up.
pub(in crate::store) fn fine_buckets(parts: &[String]) -> String {
    let columns = "series_id, timestamp, count, sum, min, max, last";
    let parts: String = parts.iter().map(|part| format!(" UNION ALL SELECT {columns}, last_at FROM {part}")).collect();
    format!(
        "SELECT series_id, timestamp, sum(count)::UBIGINT AS count, sum(sum) AS sum, min(min) AS min, max(max) AS max,
             arg_max(last, last_at) AS last
         FROM (SELECT {columns}, coalesce(last_at, timestamp) AS last_at FROM store.{FINE}{parts})
         GROUP BY series_id, timestamp"
    )
}

/// Recomputes every bucket of an hour that the hot and late segments of a merge touch, into `store.stage_rollup_1h`.
///
/// `run`: the merged segment. Buckets before `cutoff` are not changed, because their raw samples have expired.
pub(super) fn stage(
    connection: &Connection,
    layout: &SegmentLayout,
    merge: &Merge,
    run: Option<&Segment>,
    cutoff: Option<i64>,
) -> Result<(), StoreError> {
    let new: Vec<Segment> =
        merge.base.iter().filter(|s| s.kind == SegmentKind::Hot).chain(&merge.late).cloned().collect();
    let (from, to) = (new.iter().map(|s| s.min).min().unwrap_or(0), new.iter().map(|s| s.max).max().unwrap_or(0));
    // A bucket also contains older samples, of cold segments outside the merge.
    let (from, to) = (from.saturating_sub(HOURS_MS), to.saturating_add(HOURS_MS));
    let others = layout.frozen.iter().filter(|s| s.is_cold() && s.overlaps(from, to));
    let source: Vec<Segment> = others.filter(|s| !merge.base.contains(s)).chain(run).cloned().collect();
    let kept = cutoff.map_or_else(String::new, |cutoff| format!("WHERE bucket >= {}", instant(cutoff)));
    let bucket = bucket(HOURS_MS);
    connection
        .execute_batch(&format!(
            "DROP TABLE IF EXISTS store.stage_{HOURS};
             CREATE TABLE store.stage_{HOURS} AS
             WITH touched AS (FROM (SELECT DISTINCT series_id, {bucket} AS bucket FROM ({new})) {kept}),
             source AS (SELECT series_id, timestamp, value, {bucket} AS bucket FROM ({source}))
             SELECT touched.series_id, touched.bucket AS timestamp, count(value) AS count, sum(value) AS sum,
                 min(value) AS min, max(value) AS max, arg_max(value, timestamp) AS last
             FROM touched LEFT JOIN source USING (series_id, bucket)
             GROUP BY touched.series_id, touched.bucket ORDER BY ALL",
            new = union("series_id, timestamp", &new),
            source = union_within("series_id, timestamp, value", &source, "", (from, to)),
        ))
        .map_err(failed_to("compute rollups"))
}

/// Aggregates the samples of a merge's cold segments before `cutoff` into buckets of 5 minutes, in
/// `store.stage_rollup_5m`. Returns whether there are any; without them there is no table.
pub(super) fn stage_expired(connection: &Connection, merge: &Merge, cutoff: i64) -> Result<bool, StoreError> {
    let cold: Vec<Segment> = merge.base.iter().filter(|s| s.is_cold() && s.min < cutoff).cloned().collect();
    if cold.is_empty() {
        return Ok(false);
    }
    connection
        .execute_batch(&format!(
            "CREATE OR REPLACE TABLE store.stage_{FINE} AS
             SELECT series_id, {bucket} AS timestamp, count(value) AS count, sum(value) AS sum, min(value) AS min,
                 max(value) AS max, arg_max(value, timestamp) AS last, max(timestamp) AS last_at
             FROM ({}) WHERE value IS NOT NULL GROUP BY ALL ORDER BY ALL",
            union_within("series_id, timestamp, value", &cold, "", (MIN_TIMESTAMP_MS, cutoff - 1)),
            bucket = bucket(FINE_MS),
        ))
        .map_err(failed_to("compute rollups"))?;
    Ok(true)
}

/// Stores the staged buckets of 5 minutes.
pub(super) fn store_expired(connection: &Connection) -> Result<(), StoreError> {
    connection
        .execute_batch(&format!(
            "INSERT INTO store.{FINE} BY NAME FROM store.stage_{FINE}; DROP TABLE store.stage_{FINE}"
        ))
        .map_err(failed_to("store rollups"))
}

/// Replaces the old buckets of an hour with the staged ones and returns the number of rows written.
pub(super) fn swap(connection: &Connection) -> Result<u64, StoreError> {
    let failed = failed_to("store rollups");
    let mut written = 0;
    let stage = format!("store.stage_{HOURS}");
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
                    "DELETE FROM store.{HOURS} AS old USING {stage} AS new
                     WHERE old.series_id = new.series_id AND old.timestamp = new.timestamp
                         AND old.timestamp BETWEEN {} AND {}",
                    instant(from),
                    instant(to)
                ),
                [],
            )
            .map_err(&failed)?;
        written += connection
            .execute(&format!("INSERT INTO store.{HOURS} FROM {stage} WHERE count > 0"), [])
            .map_err(&failed)? as u64;
    }
    connection.execute_batch(&format!("DROP TABLE {stage}")).map_err(&failed)?;
    Ok(written)
}

/// Computes the hours of the samples of cold segments that are not stored, and stores them.
pub(in crate::store) fn insert_missing_hours(connection: &Connection, cold: &[Segment]) -> Result<(), StoreError> {
    connection
        .execute_batch(&format!(
            "INSERT INTO store.{HOURS}
             SELECT new.series_id, new.timestamp, new.count, new.sum, new.min, new.max, new.last
             FROM (SELECT series_id, {bucket} AS timestamp, count(value) AS count, sum(value) AS sum, min(value) AS min,
                       max(value) AS max, arg_max(value, timestamp) AS last
                   FROM ({samples}) WHERE value IS NOT NULL GROUP BY ALL) AS new
             ANTI JOIN store.{HOURS} AS old ON old.series_id = new.series_id AND old.timestamp = new.timestamp
             ORDER BY ALL",
            bucket = bucket(HOURS_MS),
            samples = union("series_id, timestamp, value", cold),
        ))
        .map_err(failed_to("compute rollups"))
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

/// Computes the part outside the span of the hours at its ends, for the series that satisfy the condition `of_series`, into
/// `temp.main.edge_rollup_1h`. Must run before the samples are deleted. Returns the starts of these hours.
pub(super) fn stage_edges(
    connection: &Connection,
    cold: &[Segment],
    of_series: &str,
    span: (i64, i64),
) -> Result<Vec<i64>, StoreError> {
    let buckets = partial_buckets(span, HOURS_MS);
    let parts: Vec<String> = buckets
        .iter()
        .map(|&begin| union_within("series_id, timestamp, value", cold, of_series, (begin, begin + HOURS_MS - 1)))
        .collect();
    let source = if parts.is_empty() { union("series_id, timestamp, value", &[]) } else { parts.join(" UNION ALL ") };
    let kept = format!("FILTER (timestamp < {} OR timestamp > {})", instant(span.0), instant(span.1));
    connection
        .execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE edge_{HOURS} AS
             SELECT series_id, {bucket} AS timestamp, count(value) AS all_count, count(value) {kept} AS count,
                 sum(value) {kept} AS sum, min(value) {kept} AS min, max(value) {kept} AS max,
                 arg_max(value, timestamp) {kept} AS last
             FROM ({source}) GROUP BY ALL",
            bucket = bucket(HOURS_MS),
        ))
        .map_err(failed_to("compute rollups"))?;
    Ok(buckets)
}

/// Deletes the buckets within a span and replaces the hours at its ends by their part outside it.
///
/// A bucket at an end whose raw samples have expired cannot be divided. It is deleted, since it may include deleted
/// samples. `edges`: of [`stage_edges`].
pub(super) fn delete_span(
    connection: &Connection,
    of_series: &str,
    (from, until): (i64, i64),
    edges: &[i64],
) -> Result<(), StoreError> {
    let is_edge = if edges.is_empty() {
        "false".to_owned()
    } else {
        let begins: Vec<String> = edges.iter().map(|&begin| instant(begin)).collect();
        format!("timestamp IN ({})", begins.join(", "))
    };
    // A stored count above `all_count` means that some raw samples of the bucket have expired.
    let unchanged = format!(
        "EXISTS (FROM temp.main.edge_{HOURS} AS edge WHERE edge.series_id = old.series_id
             AND edge.timestamp = old.timestamp AND edge.all_count >= old.count AND edge.count = edge.all_count)"
    );
    connection
        .execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE kept_{HOURS} AS
             SELECT edge.series_id, edge.timestamp, edge.count::UBIGINT AS count, edge.sum, edge.min, edge.max, edge.last
             FROM temp.main.edge_{HOURS} AS edge JOIN store.{HOURS} AS old
                 ON edge.series_id = old.series_id AND edge.timestamp = old.timestamp
             WHERE edge.all_count >= old.count AND edge.count < edge.all_count AND edge.count > 0;
             DELETE FROM store.{HOURS} AS old WHERE {of_series} AND (({is_edge} AND NOT {unchanged})
                 OR (NOT {is_edge} AND timestamp BETWEEN {start} AND {end}));
             INSERT INTO store.{HOURS} FROM temp.main.kept_{HOURS};
             DROP TABLE temp.main.kept_{HOURS}; DROP TABLE temp.main.edge_{HOURS};
             DELETE FROM store.{FINE} WHERE {of_series} AND timestamp BETWEEN {first} AND {end}
                 AND coalesce(last_at >= {start}, true)",
            start = instant(from),
            end = instant(until),
            first = instant(from.saturating_sub(FINE_MS - 1)),
        ))
        .map_err(failed_to("delete rollups"))
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
