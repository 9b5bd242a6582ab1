//! Streams the rows of a query as Arrow batches, without panics on errors of DuckDB.

use arrow::array::RecordBatch;
use duckdb::Connection;

use crate::store::{StoreError, error::failed_to};

/// Calls `each` for every batch of a query's rows. DuckDB's own iterator panics on errors, so the statement is stepped
/// here.
pub(in crate::store) fn for_each_batch(
    connection: &Connection,
    sql: &str,
    mut each: impl FnMut(&RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for_each_batch_with(connection, sql, &[], &mut each)
}

/// Does the same as [`for_each_batch`], with values for the statement's `?`.
pub(in crate::store) fn for_each_batch_with(
    connection: &Connection,
    sql: &str,
    values: &[duckdb::types::Value],
    mut each: impl FnMut(&RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = failed_to("read");
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    // The returned iterator is dropped: it panics on errors, while `step` returns them.
    let _ = statement.stream_arrow(duckdb::params_from_iter(values)).map_err(&failed)?;
    while let Some(rows) = statement.step().map_err(&failed)? {
        if let Err(error) = each(&RecordBatch::from(&rows)) {
            // A stream that is not read to its end keeps its transaction, and no checkpoint can be written, until the
            // connection runs another statement.
            drop(statement);
            let _ = connection.execute_batch("SELECT 1");
            return Err(error);
        }
    }
    Ok(())
}
