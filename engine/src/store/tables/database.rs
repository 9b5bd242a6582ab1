//! Reads and writes what is known of watched databases.

use duckdb::{Connection, Row};

use super::frame::{RowQuery, StagedRows};
use crate::{
    database::{Catalogue, StatementUse, TableWrites, Workload, snapshot::OTHER},
    store::{
        StoreError,
        error::failed_to,
        rows::{
            DatabaseCatalogueRow, DatabaseFilter, DatabaseHourRow, DatabaseIndexUseRow, DatabaseStatementRow,
            DatabaseStatementUseRow, DatabaseTableUseRow, DatabaseUse, TableRow, descriptor::StoredRow,
        },
    },
};

/// Statement families of a database that are kept.
const FAMILIES_MAX: usize = 50_000;

/// Writes what a snapshot found; rows of hours replace those of the same hour.
pub(in crate::store) fn put_database_use(connection: &Connection, found: &DatabaseUse) -> Result<(), StoreError> {
    put(
        connection,
        &found.statements,
        &[
            "UPDATE {stage} AS new SET first_seen = least(new.first_seen, old.first_seen)
         FROM store.database_statements AS old WHERE old.database = new.database AND old.family = new.family",
            "DELETE FROM store.database_statements AS old USING {stage} AS new
         WHERE old.database = new.database AND old.family = new.family",
            "INSERT INTO store.database_statements BY NAME FROM {stage}",
        ],
    )?;
    put_hours(connection, &found.statement_use, "old.family = new.family")?;
    put_hours(connection, &found.table_use, "old.relation = new.relation")?;
    put_hours(connection, &found.index_use, "old.index_name = new.index_name")?;
    put_hours(connection, &found.hours, "true")?;
    if found.statements.is_empty() { Ok(()) } else { drop_families(connection) }
}

/// Deletes the families that were not seen for longest, above the number that is kept, with their use.
fn drop_families(connection: &Connection) -> Result<(), StoreError> {
    let failed = failed_to("bound the statements of databases");
    let most: i64 = connection
        .query_row(
            "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM store.database_statements GROUP BY database)",
            [],
            |row| row.get(0),
        )
        .map_err(&failed)?;
    if usize::try_from(most).is_ok_and(|most| most <= FAMILIES_MAX) {
        return Ok(());
    }
    connection
        .execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE dropped_families AS SELECT database, family FROM store.database_statements
                 QUALIFY row_number() OVER (PARTITION BY database ORDER BY last_seen DESC, family) > {FAMILIES_MAX};
             DELETE FROM store.database_statements AS old USING temp.main.dropped_families AS gone
                 WHERE old.database = gone.database AND old.family = gone.family;
             DELETE FROM store.database_statement_use AS old USING temp.main.dropped_families AS gone
                 WHERE old.database = gone.database AND old.family = gone.family;
             DROP TABLE temp.main.dropped_families"
        ))
        .map_err(&failed)
}

fn put_hours<R: TableRow>(connection: &Connection, rows: &[R], same: &str) -> Result<(), StoreError> {
    let table = R::TABLE.name;
    let delete = format!(
        "DELETE FROM store.{table} AS old USING {{stage}} AS new
         WHERE old.timestamp = new.timestamp AND old.database = new.database AND {same}"
    );
    put(connection, rows, &[&delete, &format!("INSERT INTO store.{table} BY NAME FROM {{stage}}")])
}

fn put<R: TableRow>(connection: &Connection, rows: &[R], statements: &[&str]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    StagedRows::new(&rows.iter().collect::<Vec<_>>()).run(connection, statements).map(drop)
}

/// Replaces the catalogue of a database.
pub(in crate::store) fn put_database_catalogue(
    connection: &Connection,
    row: &DatabaseCatalogueRow,
) -> Result<(), StoreError> {
    put(
        connection,
        std::slice::from_ref(row),
        &[
            "DELETE FROM store.database_catalogues AS old USING {stage} AS new WHERE old.database = new.database",
            "INSERT INTO store.database_catalogues BY NAME FROM {stage}",
        ],
    )
}

pub(in crate::store) fn database_catalogue(
    connection: &Connection,
    database: &str,
) -> Result<Option<DatabaseCatalogueRow>, StoreError> {
    let mut rows = RowQuery::default().any_of("database", [database]).read(connection, "")?;
    Ok(rows.pop())
}

pub(in crate::store) fn database_statements(
    connection: &Connection,
    database: &str,
) -> Result<Vec<DatabaseStatementRow>, StoreError> {
    RowQuery::default().any_of("database", [database]).read(connection, "ORDER BY family")
}

/// Reads the rows of hours of a database.
pub(in crate::store) fn database_rows<R: StoredRow>(
    connection: &Connection,
    filter: &DatabaseFilter,
) -> Result<Vec<R>, StoreError> {
    RowQuery::default()
        .any_of("database", [&filter.database])
        .instant("timestamp >= ?", filter.from)
        .instant("timestamp < ?", filter.until)
        .read(connection, "ORDER BY ALL")
}

/// Columns of a sum over hours, in the order of [`DatabaseStatementUseRow`] from `calls` on.
const SUMS: &str = "sum(calls), sum(total_ms), sum(squares), max(longest_ms), sum(planning_ms), sum(rows), sum(blocks_hit), \
    sum(blocks_read), sum(blocks_temporary), sum(wal_bytes)";

/// Sums the use of each family, table and index over a span.
pub(in crate::store) fn database_workload(
    connection: &Connection,
    filter: &DatabaseFilter,
) -> Result<Workload, StoreError> {
    let failed = failed_to("read the workload of a database");
    let mut conditions = "u.database = ?".to_owned();
    for (operator, at) in [(">=", filter.from), ("<", filter.until)] {
        if let Some(at) = at {
            conditions.push_str(&format!(" AND u.timestamp {operator} {}", crate::store::read::instant(at.millis())));
        }
    }
    let mut workload = Workload::default();
    let (seconds, interruptions): (Option<f64>, Option<i64>) = connection
        .query_row(
            &format!(
                "SELECT sum(seconds), sum(interruptions)::BIGINT FROM store.database_hours AS u WHERE {conditions}"
            ),
            [&filter.database],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(&failed)?;
    workload.seconds = seconds;
    workload.incomplete = interruptions.is_some_and(|count| count > 0);
    let sql = format!(
        "SELECT u.family, any_value(s.statement), any_value(s.parameters), any_value(s.plans), {SUMS}
         FROM store.database_statement_use AS u
         LEFT JOIN store.database_statements AS s ON s.database = u.database AND s.family = u.family
         WHERE {conditions} GROUP BY u.family ORDER BY sum(total_ms) DESC, u.family"
    );
    let mut statement = connection.prepare(&sql).map_err(&failed)?;
    let rows = statement.query_map([&filter.database], of_family).and_then(Iterator::collect::<duckdb::Result<Vec<_>>>);
    for (found, plans) in rows.map_err(&failed)? {
        if found.family == OTHER {
            workload.other_calls = found.calls;
            workload.other_ms = found.total_ms;
        } else {
            workload
                .plans
                .extend(plans.and_then(|text| serde_json::from_str::<Vec<_>>(&text).ok()).unwrap_or_default());
            workload.statements.push(found);
        }
    }
    let sql = format!(
        "SELECT u.relation, sum(inserted), sum(updated), sum(updated_hot), sum(deleted)
         FROM store.database_table_use AS u WHERE {conditions} GROUP BY u.relation"
    );
    let mut statement = connection.prepare(&sql).map_err(&failed)?;
    let writes = |row: &Row<'_>| {
        let writes =
            TableWrites { inserted: row.get(1)?, updated: row.get(2)?, updated_hot: row.get(3)?, deleted: row.get(4)? };
        Ok((row.get::<_, String>(0)?, writes))
    };
    let rows = statement.query_map([&filter.database], writes).and_then(Iterator::collect);
    workload.writes = rows.map_err(&failed)?;
    let sql = format!(
        "SELECT u.index_name, sum(scans) FROM store.database_index_use AS u WHERE {conditions} GROUP BY u.index_name"
    );
    let mut statement = connection.prepare(&sql).map_err(&failed)?;
    let rows =
        statement.query_map([&filter.database], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect);
    workload.index_scans = rows.map_err(&failed)?;
    Ok(workload)
}

/// Reads a row of the sums of families, and its plans as JSON.
fn of_family(row: &Row<'_>) -> duckdb::Result<(StatementUse, Option<String>)> {
    let text = |idx: usize| row.get::<_, Option<String>>(idx);
    let (calls, total_ms, squares): (f64, f64, f64) = (row.get(4)?, row.get(5)?, row.get(6)?);
    let mean = if calls > 0.0 { total_ms / calls } else { 0.0 };
    let deviation = if calls > 0.0 { (squares / calls - mean * mean).max(0.0).sqrt() } else { 0.0 };
    let positive = |value: f64| Some(value).filter(|value| *value > 0.0);
    let found = StatementUse {
        family: row.get(0)?,
        statement: text(1)?.unwrap_or_default(),
        calls,
        total_ms,
        deviation_ms: Some(deviation),
        longest_ms: positive(row.get(7)?),
        planning_ms: positive(row.get(8)?),
        rows: row.get(9)?,
        blocks_hit: row.get(10)?,
        blocks_read: row.get(11)?,
        blocks_temporary: row.get(12)?,
        wal_bytes: Some(row.get(13)?),
        parameters: text(2)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
    };
    Ok((found, text(3)?))
}

/// Reads a catalogue from its row.
pub(in crate::store) fn catalogue_of(row: DatabaseCatalogueRow) -> Result<Catalogue, StoreError> {
    serde_json::from_value(row.catalogue).map_err(|error| StoreError::Corrupt {
        table: DatabaseCatalogueRow::TABLE.name,
        detail: format!("column catalogue is not a catalogue: {error}"),
    })
}

/// Sums of all hours, from which cumulative series go on.
pub(in crate::store) type DatabaseSums =
    (Vec<DatabaseStatementUseRow>, Vec<DatabaseTableUseRow>, Vec<DatabaseIndexUseRow>);

/// Reads the sums of all hours of a database; the hour of each row is the newest one.
pub(in crate::store) fn database_sums(connection: &Connection, database: &str) -> Result<DatabaseSums, StoreError> {
    let failed = failed_to("read the sums of a database");
    fn all<T>(
        connection: &Connection,
        sql: &str,
        database: &str,
        read: impl FnMut(&Row<'_>) -> duckdb::Result<T>,
    ) -> duckdb::Result<Vec<T>> {
        connection.prepare(sql)?.query_map([database], read)?.collect()
    }
    let hour = almanac_models::Timestamp::from_millis(0);
    let name = || database.to_owned();
    let statements = all(
        connection,
        &format!("SELECT family, {SUMS} FROM store.database_statement_use WHERE database = ? GROUP BY family"),
        database,
        |row| {
            Ok(DatabaseStatementUseRow {
                hour,
                database: name(),
                family: row.get(0)?,
                calls: row.get(1)?,
                total_ms: row.get(2)?,
                squares: row.get(3)?,
                longest_ms: row.get(4)?,
                planning_ms: row.get(5)?,
                rows: row.get(6)?,
                blocks_hit: row.get(7)?,
                blocks_read: row.get(8)?,
                blocks_temporary: row.get(9)?,
                wal_bytes: row.get(10)?,
            })
        },
    );
    let tables = all(
        connection,
        "SELECT relation, sum(sequential_scans), sum(sequential_rows), sum(index_scans), sum(index_rows), sum(inserted), \
         sum(updated), sum(updated_hot), sum(deleted) FROM store.database_table_use WHERE database = ? GROUP BY relation",
        database,
        |row| {
            Ok(DatabaseTableUseRow {
                hour,
                database: name(),
                relation: row.get(0)?,
                sequential_scans: row.get(1)?,
                sequential_rows: row.get(2)?,
                index_scans: row.get(3)?,
                index_rows: row.get(4)?,
                inserted: row.get(5)?,
                updated: row.get(6)?,
                updated_hot: row.get(7)?,
                deleted: row.get(8)?,
                live: 0.0,
                dead: 0.0,
            })
        },
    );
    let indexes = all(
        connection,
        "SELECT any_value(relation), index_name, sum(scans), sum(rows_read), sum(rows_fetched) FROM store.database_index_use \
         WHERE database = ? GROUP BY index_name",
        database,
        |row| {
            Ok(DatabaseIndexUseRow {
                hour,
                database: name(),
                relation: row.get(0)?,
                index_name: row.get(1)?,
                scans: row.get(2)?,
                rows_read: row.get(3)?,
                rows_fetched: row.get(4)?,
            })
        },
    );
    Ok((statements.map_err(&failed)?, tables.map_err(&failed)?, indexes.map_err(&failed)?))
}

/// Reads how much of the hours of a database was observed.
pub(in crate::store) fn database_hours(
    connection: &Connection,
    filter: &DatabaseFilter,
) -> Result<Vec<DatabaseHourRow>, StoreError> {
    database_rows(connection, filter)
}
