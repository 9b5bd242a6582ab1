//! Copies the tables besides those of samples, and what is derived from samples.

use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use duckdb::Connection;

use super::{
    report::{TableReport, UNNAMED},
    rows::{Target, total},
    samples::SavedSegments,
    source::Source,
};
use crate::store::{
    Damage, StoreError,
    error::failed_to,
    schema::{SCHEMA_VERSION, check_version, migrate_to},
    segment::{SegmentKind, insert_missing_hours},
};

/// Tables that are not copied row by row: they are written anew.
const OWN: [&str; 3] = ["meta", "segments", "spans"];

/// Returns the schema version of the damaged file.
///
/// # Errors
/// `Foreign`, `NewerSchema`; `Damaged` when the file has no tables.
pub(super) fn version_of(source: &Source, path: &Path) -> Result<u32, StoreError> {
    let damaged = |detail: &str| StoreError::Damaged { path: path.to_owned(), detail: detail.to_owned() };
    match check_version(source.connection(), path) {
        Ok(0) => Err(damaged("it has no tables")),
        Ok(version) => Ok(version),
        Err(StoreError::Damaged { .. } | StoreError::DamagedBlock { .. }) => {
            let found = columns_of(source.connection())?;
            for version in (1..=SCHEMA_VERSION).rev() {
                let empty = Connection::open_in_memory().map_err(failed_to("open a database"))?;
                migrate_to(&empty, path, version)?;
                let is_segment = |table: &str| table.starts_with("hot_") || table.starts_with("late_");
                let mut expected = columns_of(&empty)?;
                expected.retain(|(table, _)| !is_segment(table));
                if expected.iter().all(|column| found.contains(column)) {
                    return Ok(version);
                }
            }
            Err(damaged("its schema version cannot be read"))
        }
        Err(error) => Err(error),
    }
}

fn columns_of(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let failed = failed_to("read the columns of the tables");
    let mut statement = connection
        .prepare("SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'store'")
        .map_err(&failed)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect).map_err(&failed)
}

/// Copies every table of the schema that has no samples. `tables`: of the damaged file.
pub(super) fn copy_tables(
    source: &mut Source,
    target: &mut Target<'_>,
    tables: &[(String, i64)],
    lost: &mut Vec<Damage>,
) -> Result<Vec<TableReport>, StoreError> {
    let mut saved = Vec::new();
    let known = known_tables(target.connection)?;
    for name in &known {
        let Some((_, rows)) = tables.iter().find(|(table, _)| table == name) else {
            lost.push(damage(name, "the file does not have it"));
            continue;
        };
        let columns = target.columns(name)?;
        let gone = target.copy(source, (name, *rows), name, &columns, &mut |batch| Ok(Some(batch)))?;
        let kept = count(target, name)?;
        if let Some((rows, reason)) = total(source, name, &gone) {
            lost.push(Damage { what: format!("{rows} rows of table {name}"), samples: None, reason });
        }
        if kept > 0 {
            saved.push(TableReport { name: name.clone(), rows: kept });
        }
    }
    copy_meta(source, target, tables, lost)?;
    for (table, _) in tables.iter().filter(|(table, _)| is_unknown(table, &known)) {
        lost.push(damage(table, "it is not a table of this release"));
    }
    Ok(saved)
}

fn damage(table: &str, reason: &str) -> Damage {
    Damage { what: format!("table {table}"), samples: None, reason: reason.to_owned() }
}

fn is_unknown(table: &str, known: &[String]) -> bool {
    let is_segment = || {
        let kind = table.rsplit_once('_').filter(|(_, id)| id.parse::<u64>().is_ok()).map(|(kind, _)| kind);
        kind.is_some_and(|kind| SegmentKind::parse(kind).is_some())
    };
    let is_known = OWN.contains(&table) || known.iter().any(|name| name == table);
    !(is_known || is_segment() || table.starts_with("stage_"))
}

/// Returns the tables that are copied row by row.
fn known_tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let failed = failed_to("list the tables");
    let mut statement = connection
        .prepare(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store'
                 AND NOT regexp_full_match(table_name, '(hot|late)_[0-9]+') ORDER BY 1",
        )
        .map_err(&failed)?;
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(&failed)?;
    Ok(names.into_iter().filter(|name| !OWN.contains(&name.as_str())).collect())
}

/// Copies the other values beside the version of the schema: the next number of a series, what retention has approved.
fn copy_meta(
    source: &mut Source,
    target: &mut Target<'_>,
    tables: &[(String, i64)],
    lost: &mut Vec<Damage>,
) -> Result<(), StoreError> {
    let Some((table, rows)) = tables.iter().find(|(table, _)| table == "meta") else { return Ok(()) };
    let mut values: Vec<(String, String)> = Vec::new();
    let gone = source.read(table, "key, value", *rows, &mut |batch: RecordBatch| {
        let (keys, texts) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let pairs = keys.iter().zip(texts).filter_map(|(key, value)| Some((key?.to_owned(), value?.to_owned())));
        values.extend(pairs);
        Ok(())
    })?;
    for (key, value) in values.iter().filter(|(key, _)| key != "format" && key != "schema_version") {
        target
            .connection
            .execute("INSERT INTO store.meta VALUES (?, ?)", [key, value])
            .map_err(failed_to("write the new store"))?;
    }
    if let Some((rows, reason)) = total(source, table, &gone) {
        lost.push(Damage { what: format!("{rows} rows of table meta"), samples: None, reason });
    }
    Ok(())
}

fn count(target: &Target<'_>, table: &str) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM store.\"{table}\"");
    let rows: i64 = target.connection.query_row(&sql, [], |row| row.get(0)).map_err(failed_to("count rows"))?;
    Ok(rows.unsigned_abs())
}

/// Writes what is derived from samples: the spans of series, hours of rollups that are lost, and series whose rows are lost. Returns the number of
/// such series.
pub(super) fn derive(
    target: &Target<'_>,
    segments: &SavedSegments,
    has_histograms: bool,
    lost_hours: bool,
) -> Result<u64, StoreError> {
    let spans: Vec<String> = segments
        .cold
        .iter()
        .map(|(segment, [first, last])| {
            format!("SELECT series_id, epoch_ms({first}) AS first, epoch_ms({last}) AS last FROM {}", segment.table())
        })
        .collect();
    if !spans.is_empty() {
        target.run(&format!(
            "INSERT INTO store.spans SELECT series_id, min(first), max(last) FROM ({}) GROUP BY series_id ORDER BY 1",
            spans.join(" UNION ALL ")
        ))?;
    }
    let blocks: Vec<_> =
        segments.cold.iter().filter(|(_, ends)| ends[0] == "begin_at").map(|(all, _)| all.clone()).collect();
    if lost_hours && !blocks.is_empty() {
        insert_missing_hours(target.connection, &blocks)?;
    }
    let mut used: Vec<String> = segments.tables.iter().map(|(table, _)| table.clone()).collect();
    used.extend(["rollup_5m", "rollup_1h"].map(str::to_owned));
    used.extend(has_histograms.then(|| "histograms".to_owned()));
    let used: Vec<String> = used.iter().map(|table| format!("SELECT series_id FROM store.{table}")).collect();
    let sql = format!(
        "INSERT INTO store.series SELECT series_id, MAP {{'__name__': '{UNNAMED}', 'series': series_id::VARCHAR}}
         FROM (SELECT DISTINCT series_id FROM ({})) WHERE series_id NOT IN (SELECT series_id FROM store.series) ORDER BY 1",
        used.join(" UNION ALL ")
    );
    let added = target.connection.execute(&sql, []).map_err(failed_to("write the new store"))?;
    Ok(added as u64)
}
