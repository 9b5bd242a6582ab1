//! Streams the rows of a query as Arrow batches.

use arrow::array::RecordBatch;
use duckdb::Connection;

use crate::store::{StoreError, error::failed_to};

/// Streams the rows of a query. DuckDB's own iterator panics on errors, so it is stepped by hand.
pub(in crate::store) fn for_each_batch(
    connection: &Connection,
    sql: &str,
    mut each: impl FnMut(&RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for_each_batch_with(connection, sql, &[], &mut each)
}

/// The same with values for the statement's `?`.
pub(in crate::store) fn for_each_batch_with(
    connection: &Connection,
    sql: &str,
    values: &[duckdb::types::Value],
    mut each: impl FnMut(&RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = failed_to("read");
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    // The handle is given up at once; stepping the statement reports errors instead of panicking.
    let _ = statement.stream_arrow(duckdb::params_from_iter(values)).map_err(&failed)?;
    while let Some(rows) = statement.step().map_err(&failed)? {
        each(&RecordBatch::from(&rows))?;
    }
    Ok(())
}
