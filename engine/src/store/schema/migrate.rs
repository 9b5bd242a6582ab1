//! Checks the schema version of a file and migrates older files to the newest version.

use std::path::Path;

use duckdb::Connection;

use super::{
    tables::{VERSION_1, VERSION_2, additions},
    views,
};
use crate::store::{
    StoreError,
    error::{cannot_open, failed_to},
    rows::histogram,
    segment::fine_bucket,
    write::check_disk_space,
};

/// Newest schema version, which this release writes.
pub(in crate::store) const SCHEMA_VERSION: u32 = 8;

/// Returns the migration steps; the step at index `v` migrates version `v` to `v + 1`.
///
/// A released step is never changed. The first two are texts. Later steps are derived from the table descriptions,
/// which record the version that added a table or column; version 5 also adds the table of native histograms. Version 8
/// also depends on the segments: see [`of_blocks`].
fn migrations() -> Vec<String> {
    let of_histograms = |version: u32| if version == 5 { histogram::TABLE } else { "" };
    let described = (3..=SCHEMA_VERSION).map(|version| additions(version) + of_histograms(version));
    [VERSION_1, VERSION_2].into_iter().map(str::to_owned).chain(described).collect()
}

/// Returns the statements of version 8, which keeps cold samples in blocks: the cold segments become segments of rows, which
/// the opening replaces by blocks one after the other; buckets of 5 minutes are kept of samples that have expired only.
fn of_blocks(connection: &Connection) -> Result<String, StoreError> {
    let failed = failed_to("read the list of segments");
    let mut statement =
        connection.prepare("SELECT segment_id FROM store.segments WHERE kind = 'cold' ORDER BY 1").map_err(&failed)?;
    let cold: Vec<u64> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(&failed)?;
    let mut sql = "ALTER TABLE store.rollup_5m ADD COLUMN last_at TIMESTAMP_MS;".to_owned();
    if cold.is_empty() {
        return Ok(sql);
    }
    let tables: Vec<String> = cold.iter().map(|id| format!("FROM store.cold_{id}")).collect();
    // The first bucket of a series' samples may also contain samples that have expired: those remain in it.
    sql.push_str(&format!(
        "CREATE TEMP TABLE first_bucket AS SELECT series_id, {bucket} AS first
             FROM (SELECT series_id, min(timestamp) AS timestamp FROM ({samples}) GROUP BY series_id);
         CREATE TEMP TABLE expired AS
             SELECT old.series_id, old.timestamp, old.count - coalesce(held.count, 0) AS count,
                 old.sum - coalesce(held.sum, 0) AS sum, old.min, old.max, old.last
             FROM store.rollup_5m AS old LEFT JOIN first_bucket USING (series_id)
                 LEFT JOIN (SELECT series_id, first AS timestamp, count(value) AS count, sum(value) AS sum
                            FROM ({samples}) AS held JOIN first_bucket USING (series_id)
                            WHERE held.timestamp < first + INTERVAL 5 MINUTE GROUP BY ALL) AS held
                     USING (series_id, timestamp)
             WHERE first IS NULL OR old.timestamp < first OR (old.timestamp = first AND old.count > held.count);
         DELETE FROM store.rollup_5m;
         INSERT INTO store.rollup_5m BY NAME FROM temp.main.expired;
         DROP TABLE temp.main.expired; DROP TABLE temp.main.first_bucket;
         UPDATE store.segments SET kind = 'rows' WHERE kind = 'cold';",
        bucket = fine_bucket(),
        samples = tables.join(" UNION ALL "),
    ));
    sql.extend(cold.iter().map(|id| format!("ALTER TABLE store.cold_{id} RENAME TO rows_{id};")));
    Ok(sql)
}

/// Returns the schema version of an open database: 0 when it is empty.
///
/// # Errors
/// `Foreign` when the database is not empty and not an Almanac store.
pub(in crate::store) fn version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let failed = failed_to("read the version of the schema");
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let foreign = || StoreError::Foreign { path: path.to_owned() };
    let ours =
        count("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'store' AND table_name = 'meta'")
            .map_err(&failed)?;
    if ours == 0 {
        let others = count("SELECT count(*) FROM information_schema.tables").map_err(&failed)?;
        return if others == 0 { Ok(0) } else { Err(foreign()) };
    }
    let value = |key: &str| {
        connection
            .query_row("SELECT max(value) FROM store.meta WHERE key = ?", [key], |row| row.get::<_, Option<String>>(0))
            .map_err(|error| match cannot_open(path, &error) {
                damaged @ StoreError::Damaged { .. } => damaged,
                _ => foreign(),
            })
    };
    if value("format")?.as_deref() != Some("almanac") {
        return Err(foreign());
    }
    value("schema_version")?.and_then(|text| text.parse().ok()).filter(|&found| found > 0).ok_or_else(foreign)
}

/// Returns the schema version; rejects databases that are not a store or have a newer schema.
pub(in crate::store) fn check_version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let found = version(connection, path)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema { path: path.to_owned(), found, supported: SCHEMA_VERSION });
    }
    Ok(found)
}

/// Migrates the schema to the newest version, each step in one transaction, and creates the views.
pub(in crate::store) fn migrate(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = migrate_to(connection, path, SCHEMA_VERSION)?;
    if found == 0 && check_disk_space(path, 0, "a new store").is_ok() {
        // The next opening finds the version in the file, and need not read the log to know that the store is ours.
        connection.execute_batch("CHECKPOINT").map_err(failed_to("write a checkpoint"))?;
    }
    match views::create_static_views(connection) {
        // The views of this version exist already, and a full disk must not prevent reads.
        Err(StoreError::DiskFull { .. }) if found == SCHEMA_VERSION => Ok(()),
        other => other,
    }
}

/// Migrates the schema to a version, each step in one transaction, without views. Returns the version before.
pub(in crate::store) fn migrate_to(connection: &Connection, path: &Path, last: u32) -> Result<u32, StoreError> {
    let found = check_version(connection, path)?;
    let [from, until] = [found, last].map(|version| usize::try_from(version).unwrap_or(usize::MAX));
    for (step, sql) in migrations().iter().enumerate().take(until).skip(from) {
        let version = step + 1;
        let of_segments = if version == 8 { of_blocks(connection)? } else { String::new() };
        connection
            .execute_batch(&format!(
                "BEGIN TRANSACTION; {sql} {of_segments} UPDATE store.meta SET value = '{version}' WHERE key = 'schema_version'; COMMIT"
            ))
            .map_err(|error| {
                let _ = connection.execute_batch("ROLLBACK");
                failed_to("migrate the schema")(error)
            })?;
    }
    Ok(found)
}

/// Drops tables that an interrupted compaction left behind.
pub(in crate::store) fn drop_orphans(connection: &Connection) -> Result<(), StoreError> {
    let failed = failed_to("clean up after an interrupted compaction");
    let mut statement = connection
        .prepare(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'store'
             AND (regexp_full_match(table_name, 'stage_.*') OR regexp_full_match(table_name, '(hot|late|cold|rows)_[0-9]+'))
             AND table_name NOT IN (SELECT kind || '_' || segment_id FROM store.segments)",
        )
        .map_err(&failed)?;
    let orphans: Vec<String> =
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(&failed)?;
    for table in orphans {
        connection.execute_batch(&format!("DROP TABLE store.\"{table}\"")).map_err(&failed)?;
    }
    Ok(())
}
