//! Reads and writes what the requests of routes sent to databases.

use duckdb::Connection;

use super::frame::{RowQuery, StagedRows};
use crate::store::{
    StoreError,
    error::failed_to,
    read::instant,
    rows::{RequestStatementFilter, RequestStatementRow},
};

/// Age of the oldest row, counted from the newest written one, in milliseconds: 14 days.
const KEPT_MS: i64 = 14 * 86_400_000;
/// Largest number of rows; above it the oldest hours are deleted.
const ROWS_MAX: usize = 200_000;
/// Length of an hour in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Writes rows; each replaces that of its hour, service, origin, route and family.
pub(in crate::store) fn put_request_statements(
    connection: &Connection,
    rows: &[RequestStatementRow],
) -> Result<(), StoreError> {
    let Some(newest) = rows.iter().map(|row| row.hour.millis()).max() else { return Ok(()) };
    let replaced = "DELETE FROM store.request_statements AS old USING {stage} AS new
         WHERE old.timestamp = new.timestamp AND old.service = new.service AND old.origin = new.origin
           AND old.route = new.route AND old.family = new.family";
    let insert = "INSERT INTO store.request_statements BY NAME FROM {stage}";
    StagedRows::new(&rows.iter().collect::<Vec<_>>()).run(connection, &[replaced, insert])?;
    let aged = format!("DELETE FROM store.request_statements WHERE timestamp < {}", instant(newest - KEPT_MS));
    let surplus = format!(
        "DELETE FROM store.request_statements WHERE timestamp <=
           (SELECT timestamp FROM store.request_statements ORDER BY timestamp DESC LIMIT 1 OFFSET {ROWS_MAX})
         AND timestamp < {}",
        instant(newest)
    );
    connection.execute_batch(&format!("{aged}; {surplus}")).map_err(failed_to("delete old statements of requests"))
}

pub(in crate::store) fn request_statements(
    connection: &Connection,
    filter: &RequestStatementFilter,
) -> Result<Vec<RequestStatementRow>, StoreError> {
    let since = filter.since.map(|at| at.plus_millis(-at.millis().rem_euclid(HOUR_MS)));
    RowQuery::default()
        .any_of("service", &filter.services)
        .instant("timestamp >= ?", since)
        .instant("timestamp < ?", filter.until)
        .read(connection, "ORDER BY timestamp, service, origin, route, family")
}
