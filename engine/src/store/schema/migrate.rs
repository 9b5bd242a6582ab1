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
};

/// Newest schema version, which this release writes.
pub(in crate::store) const SCHEMA_VERSION: u32 = 7;

/// Returns the migration steps; the step at index `v` migrates version `v` to `v + 1`.
///
/// A released step is never changed. The first two are texts. Later steps are derived from the table descriptions,
/// which record the version that added a table or column; version 5 also adds the table of native histograms.
fn migrations() -> Vec<String> {
    let of_histograms = |version: u32| if version == 5 { histogram::TABLE } else { "" };
    let described = (3..=SCHEMA_VERSION).map(|version| additions(version) + of_histograms(version));
    [VERSION_1, VERSION_2].into_iter().map(str::to_owned).chain(described).collect()
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
    let found = check_version(connection, path)?;
    let from = usize::try_from(found).unwrap_or(usize::MAX);
    for (step, sql) in migrations().iter().enumerate().skip(from) {
        let version = step + 1;
        connection
            .execute_batch(&format!(
                "BEGIN TRANSACTION; {sql} UPDATE store.meta SET value = '{version}' WHERE key = 'schema_version'; COMMIT"
            ))
            .map_err(|error| {
                let _ = connection.execute_batch("ROLLBACK");
                failed_to("migrate the schema")(error)
            })?;
    }
    match views::create_static_views(connection) {
        // The views of this version exist already, and a full disk must not prevent reads.
        Err(StoreError::DiskFull { .. }) if found == SCHEMA_VERSION => Ok(()),
        other => other,
    }
}

/// Drops tables that an interrupted compaction left behind.
pub(in crate::store) fn drop_orphans(connection: &Connection) -> Result<(), StoreError> {
    let failed = failed_to("clean up after an interrupted compaction");
    let mut statement = connection
        .prepare(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'store'
             AND (regexp_full_match(table_name, 'stage_.*') OR regexp_full_match(table_name, '(hot|late|cold)_[0-9]+'))
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
