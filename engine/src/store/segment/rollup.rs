use duckdb::Connection;

use super::{Layout, Segment, SegmentKind, build::union, plan::Merge};
use crate::store::{StoreError, error::failed_to, read::instant};

/// Rollup tables and the width of their buckets in milliseconds.
pub(super) const ROLLUPS: [(&str, i64); 2] = [("rollup_5m", 300_000), ("rollup_1h", 3_600_000)];

/// The begin of a timestamp's bucket, also before 1970.
fn bucket(width_ms: i64) -> String {
    format!(
        "make_timestamp_ms(epoch_ms(timestamp) - ((epoch_ms(timestamp) % {width_ms}) + {width_ms}) % {width_ms})::TIMESTAMP_MS"
    )
}

/// Computes anew every bucket that the hot and late segments of a merge touch, into `store.stage_<rollup>`.
///
/// Buckets before `cutoff` stay as they are: their raw samples have gone.
pub(super) fn stage(
    connection: &Connection,
    layout: &Layout,
    merge: &Merge,
    run: Option<&Segment>,
    cutoff: Option<i64>,
) -> Result<(), StoreError> {
    let failed = failed_to("roll samples up");
    let new: Vec<Segment> =
        merge.base.iter().filter(|s| s.kind == SegmentKind::Hot).chain(&merge.late).cloned().collect();
    let (from, to) = (new.iter().map(|s| s.min).min().unwrap_or(0), new.iter().map(|s| s.max).max().unwrap_or(0));
    for (table, width) in ROLLUPS {
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

/// Puts the staged buckets in the place of the old ones; answers how many there are now of them.
pub(super) fn swap(connection: &Connection) -> Result<u64, StoreError> {
    let failed = failed_to("store rollups");
    let mut written = 0;
    for (table, _) in ROLLUPS {
        let stage = format!("store.stage_{table}");
        // The bounds let DuckDB skip what lies outside them.
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
