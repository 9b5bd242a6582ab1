use std::path::Path;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};
use duckdb::Connection;

use super::{
    FileError, Place,
    table::{Cell, Row, Visitor},
};
use crate::ingest::stamp;

struct BatchRow<'a> {
    batch: &'a RecordBatch,
    row: usize,
    number: u64,
}

impl Row for BatchRow<'_> {
    fn place(&self) -> Place {
        Place::Row(self.number)
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        let array = self.batch.column(column);
        if array.is_null(self.row) {
            return Cell::Null;
        }
        let stamp =
            |count: i64, per_second: i64| stamp::from_units(count, per_second).map_or(Cell::OutOfRange, Cell::Stamp);
        match array.data_type() {
            DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(self.row)),
            DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(self.row)),
            DataType::Utf8View => Cell::Text(array.as_string_view().value(self.row)),
            DataType::Boolean => Cell::Bool(array.as_boolean().value(self.row)),
            DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(self.row)),
            DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(self.row)),
            DataType::Date32 => {
                stamp(i64::from(array.as_primitive::<Date32Type>().value(self.row)).saturating_mul(86_400), 1)
            }
            DataType::Timestamp(TimeUnit::Second, _) => {
                stamp(array.as_primitive::<TimestampSecondType>().value(self.row), 1)
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                stamp(array.as_primitive::<TimestampMillisecondType>().value(self.row), 1000)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                stamp(array.as_primitive::<TimestampMicrosecondType>().value(self.row), 1_000_000)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                stamp(array.as_primitive::<TimestampNanosecondType>().value(self.row), 1_000_000_000)
            }
            _ => Cell::OutOfRange,
        }
    }
}

/// Reads a Parquet file row by row through a DuckDB of its own, in memory.
///
/// Timestamps of any unit come as they are; other types become text, whole numbers or doubles.
pub(crate) fn read(path: &Path, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let wrong = |error: duckdb::Error| FileError::parquet(path, &error);
    let name = path.to_str().ok_or_else(|| FileError::shape(path, "has a name that is not UTF-8"))?;
    // A name is a pattern to `read_parquet`; quoting brackets its special characters.
    let file = format!("'{}'", escape_glob(name).replace('\'', "''"));
    let connection = Connection::open_in_memory().map_err(wrong)?;
    connection.execute_batch("SET threads = 1; SET preserve_insertion_order = true;").map_err(wrong)?;
    let columns = describe(&connection, &file).map_err(wrong)?;
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    visitor.header(&names)?;
    let select: Vec<String> = columns.iter().map(|(name, kind)| projection(name, kind)).collect();
    let sql = format!("SELECT {} FROM read_parquet({file}, hive_partitioning = false)", select.join(", "));
    let mut statement = connection.prepare(&sql).map_err(wrong)?;
    // The iterator that this returns panics on a damaged page; `step` hands the error out instead.
    drop(statement.stream_arrow([]).map_err(wrong)?);
    let mut number = 0;
    while let Some(batch) = statement.step().map_err(wrong)? {
        let batch = RecordBatch::from(&batch);
        for row in 0..batch.num_rows() {
            number += 1;
            visitor.row(&BatchRow { batch: &batch, row, number })?;
        }
    }
    Ok(())
}

fn describe(connection: &Connection, file: &str) -> duckdb::Result<Vec<(String, String)>> {
    let mut statement =
        connection.prepare(&format!("DESCRIBE SELECT * FROM read_parquet({file}, hive_partitioning = false)"))?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The column in one of the few types that [`BatchRow::cell`] reads.
fn projection(name: &str, kind: &str) -> String {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    match kind {
        "VARCHAR" | "BOOLEAN" | "BIGINT" | "DOUBLE" | "DATE" => quoted,
        "TINYINT" | "SMALLINT" | "INTEGER" | "UTINYINT" | "USMALLINT" | "UINTEGER" => format!("{quoted}::BIGINT"),
        "FLOAT" => format!("{quoted}::DOUBLE"),
        // As text they are read for what they should be: a stamp, a number or a name.
        "UBIGINT" | "HUGEINT" | "UHUGEINT" => format!("{quoted}::VARCHAR"),
        _ if kind.starts_with("TIMESTAMP") => quoted,
        _ if kind.starts_with("DECIMAL") => format!("{quoted}::DOUBLE"),
        _ => format!("{quoted}::VARCHAR"),
    }
}

fn escape_glob(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '*' | '?' | '[' => format!("[{c}]"),
            other => other.to_string(),
        })
        .collect()
}
