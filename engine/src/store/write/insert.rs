//! Inserts samples by a prepared statement, whose rows a function of SQL takes from memory.
//!
//! DuckDB's appender parses, binds and plans a statement whenever it is flushed, which takes as long as the insertion of some thousand
//! rows.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::array::RecordBatch;
use duckdb::{
    Connection,
    core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId},
    vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab},
};
use parking_lot::Mutex;

use super::SampleColumns;
use crate::{
    series::is_stale,
    store::{StoreError, error::failed_to},
};

/// Name of the function `() → (series_id UINTEGER, timestamp TIMESTAMP_MS, value DOUBLE)`.
const FUNCTION: &str = "almanac_samples_to_insert";

/// Samples that the next execution of the statement inserts.
#[derive(Debug, Clone, Default)]
struct Pending(Arc<Mutex<SampleColumns>>);

/// Inserts samples into hot segments on one connection.
#[derive(Debug, Clone)]
pub(super) struct Inserter {
    pending: Pending,
    /// Table of the statement that the connection keeps.
    table: Arc<Mutex<String>>,
}

impl Inserter {
    /// Registers the function in the database of a connection.
    ///
    /// # Errors
    /// `Database`.
    pub(super) fn new(connection: &Connection) -> Result<Self, StoreError> {
        let pending = Pending::default();
        connection
            .register_table_function_with_extra_info::<SamplesToInsert, _>(FUNCTION, &pending)
            .map_err(failed_to("register the function for samples"))?;
        Ok(Self { pending, table: Arc::default() })
    }

    /// Inserts rows into a table of the schema `store`, on the connection whose database has the function.
    ///
    /// # Errors
    /// `Database`, `DiskFull`.
    pub(super) fn insert(&self, connection: &Connection, table: &str, rows: SampleColumns) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut before = self.table.lock();
        if *before != table {
            // The statement for the table of before would keep what belongs to a table that is dropped.
            connection.flush_prepared_statement_cache();
            table.clone_into(&mut before);
        }
        *self.pending.0.lock() = rows;
        let sql = format!("INSERT INTO store.{table} SELECT series_id, timestamp, value FROM {FUNCTION}()");
        let inserted = connection.prepare_cached(&sql).and_then(|mut statement| statement.execute([]));
        // A statement that failed before it began has not taken them.
        *self.pending.0.lock() = SampleColumns::default();
        inserted.map(drop).map_err(failed_to("insert samples"))
    }
}

/// Appends rows to a table of the schema `store`.
///
/// # Errors
/// `Database`, `DiskFull`.
pub(super) fn append(connection: &Connection, table: &str, rows: Option<RecordBatch>) -> Result<(), StoreError> {
    let Some(rows) = rows else { return Ok(()) };
    let mut appender = connection.appender_to_db(table, "store").map_err(failed_to("append rows"))?;
    appender.append_record_batch(rows).map_err(failed_to("append rows"))?;
    appender.flush().map_err(failed_to("append rows"))
}

/// The function of SQL.
struct SamplesToInsert;

/// Rows of one execution, and the place of the next one.
struct Execution {
    rows: SampleColumns,
    next: AtomicUsize,
}

impl VTab for SamplesToInsert {
    type InitData = Execution;
    type BindData = ();

    fn bind(bind: &BindInfo) -> Result<(), Box<dyn Error>> {
        bind.add_result_column("series_id", LogicalTypeId::UInteger.into());
        bind.add_result_column("timestamp", LogicalTypeHandle::from(LogicalTypeId::TimestampMs));
        bind.add_result_column("value", LogicalTypeId::Double.into());
        Ok(())
    }

    fn init(init: &InitInfo) -> Result<Execution, Box<dyn Error>> {
        init.set_max_threads(1);
        #[expect(unsafe_code, reason = "DuckDB gives a pointer to what was registered")]
        // SAFETY: the function is only registered by `Inserter::new`, with a `Pending` that DuckDB keeps as long as the function.
        let pending = unsafe { init.get_extra_info::<Pending>().as_ref() }.ok_or("no samples are registered")?;
        Ok(Execution { rows: std::mem::take(&mut pending.0.lock()), next: AtomicUsize::new(0) })
    }

    fn func(function: &TableFunctionInfo<Self>, output: &mut DataChunkHandle) -> Result<(), Box<dyn Error>> {
        let Execution { rows, next } = function.get_init_data();
        let begin = next.load(Ordering::Relaxed);
        let end = rows.len().min(begin + output.flat_vector(0).capacity());
        let values = &rows.values[begin..end];
        write(output, 0, &rows.series[begin..end]);
        write(output, 1, &rows.timestamps[begin..end]);
        write(output, 2, values);
        // A stale marker becomes NULL, since DuckDB does not keep the payloads of NaN.
        let mut column = output.flat_vector(2);
        values.iter().enumerate().filter(|(_, value)| is_stale(**value)).for_each(|(row, _)| column.set_null(row));
        next.store(end, Ordering::Relaxed);
        output.set_len(end - begin);
        Ok(())
    }
}

/// Writes the first rows of a column. `T` must be the type by which DuckDB stores it.
fn write<T: Element>(output: &DataChunkHandle, column: usize, rows: &[T]) {
    let mut column = output.flat_vector(column);
    assert!(rows.len() <= column.capacity(), "a chunk has no more rows");
    #[expect(unsafe_code, reason = "DuckDB's memory is written without a copy")]
    // SAFETY: the column has the type `T` and room for the rows.
    unsafe {
        column.copy(rows);
    }
}

/// A type by which DuckDB stores the columns of samples.
trait Element: Copy {}
/// `UINTEGER`.
impl Element for u32 {}
/// `TIMESTAMP_MS`.
impl Element for i64 {}
/// `DOUBLE`.
impl Element for f64 {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::stale_marker;

    fn rows(count: u32) -> SampleColumns {
        let mut rows = SampleColumns::default();
        for idx in 0..count {
            let value = if idx % 1_000 == 7 { stale_marker() } else { f64::from(idx) };
            rows.push(idx, i64::from(idx) * 10, value);
        }
        rows
    }

    fn read(connection: &Connection, table: &str) -> (i64, i64, f64, i64) {
        let sql = format!(
            "SELECT count(*), count(*) - count(value), coalesce(sum(value), 0), coalesce(max(epoch_ms(timestamp)), 0)
             FROM store.{table} WHERE value IS NULL OR value = series_id"
        );
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap()
    }

    #[test]
    fn samples_of_several_chunks_are_inserted_into_one_table_after_another() {
        let connection = Connection::open_in_memory().unwrap();
        let table = "(series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE)";
        connection
            .execute_batch(&format!("CREATE SCHEMA store; CREATE TABLE store.a{table}; CREATE TABLE store.b{table}"))
            .unwrap();
        let inserter = Inserter::new(&connection).unwrap();
        inserter.insert(&connection, "a", rows(0)).unwrap();
        inserter.insert(&connection, "a", rows(5_000)).unwrap();
        let sum = (0..5_000).filter(|idx| idx % 1_000 != 7).map(f64::from).sum();
        assert_eq!(read(&connection, "a"), (5_000, 5, sum, 49_990));
        inserter.insert(&connection, "b", rows(3)).unwrap();
        inserter.insert(&connection, "b", rows(2_048)).unwrap();
        assert_eq!(read(&connection, "b").0, 2_051);
        // A table that was replaced by another of the same name.
        connection.execute_batch(&format!("DROP TABLE store.b; CREATE TABLE store.b{table}")).unwrap();
        inserter.insert(&connection, "b", rows(4)).unwrap();
        assert_eq!(read(&connection, "b"), (4, 0, 6.0, 30));
    }

    #[test]
    fn samples_of_a_statement_that_failed_are_not_inserted_later() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE SCHEMA store").unwrap();
        let inserter = Inserter::new(&connection).unwrap();
        let error = inserter.insert(&connection, "a", rows(10)).unwrap_err();
        assert!(error.to_string().contains("insert samples"), "{error}");
        connection
            .execute_batch("CREATE TABLE store.a(series_id UINTEGER, timestamp TIMESTAMP_MS, value DOUBLE)")
            .unwrap();
        inserter.insert(&connection, "a", rows(3)).unwrap();
        assert_eq!(read(&connection, "a").0, 3);
        // In a transaction that is rolled back.
        connection.execute_batch("BEGIN").unwrap();
        inserter.insert(&connection, "a", rows(9)).unwrap();
        connection.execute_batch("ROLLBACK").unwrap();
        assert_eq!(read(&connection, "a").0, 3);
    }
}
