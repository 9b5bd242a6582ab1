//! Reads Parquet files into batches with a separate DuckDB database in memory.
//!
//! DuckDB is a dependency anyway, while polars' Parquet reader adds about 120 crates to the build.

use std::path::Path;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};
use duckdb::Connection;
use polars::prelude::{
    BooleanChunked, Column, Float64Chunked, Int64Chunked, IntoColumn, NewChunkedArray, StringChunked,
    TimeUnit as PolarsUnit,
};

use super::builder::batch;
use crate::ingest::{
    files::{
        FileError,
        batch::{Nesting, RowPositions, Visitor},
    },
    timestamp,
};

/// Reads a Parquet file batch by batch.
///
/// Timestamps of any unit become milliseconds, numbers become integers or doubles, structs and maps become JSON
/// objects, lists become JSON arrays, and other types become text.
pub(crate) fn read(path: &Path, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let wrong = |error: duckdb::Error| FileError::parquet(path, &error);
    let name = path.to_str().ok_or_else(|| FileError::shape(path, "has a name that is not UTF-8"))?;
    // `read_parquet` treats the name as a glob pattern, so special characters are put in brackets.
    let file = format!("'{}'", escape_glob(name).replace('\'', "''"));
    let connection = Connection::open_in_memory().map_err(wrong)?;
    connection.execute_batch("SET threads = 1; SET preserve_insertion_order = true;").map_err(wrong)?;
    let columns = describe(&connection, &file).map_err(wrong)?;
    let nesting: Vec<Nesting> = columns.iter().map(|(_, kind)| nesting(kind)).collect();
    let select: Vec<String> = columns.iter().map(|(name, kind)| projection(name, kind)).collect();
    let sql = format!("SELECT {} FROM read_parquet({file}, hive_partitioning = false)", select.join(", "));
    let mut statement = connection.prepare(&sql).map_err(wrong)?;
    // The returned iterator panics on a damaged page, while `step` returns the error.
    drop(statement.stream_arrow([]).map_err(wrong)?);
    let mut rows = 0;
    while let Some(read) = statement.step().map_err(wrong)? {
        let read = RecordBatch::from(&read);
        let converted = columns.iter().zip(read.columns()).map(|((name, _), array)| column(name, array)).collect();
        visitor.batch(&batch(path, converted, nesting.clone(), RowPositions::Rows(rows + 1))?)?;
        rows += read.num_rows() as u64;
    }
    if rows == 0 {
        let empty = columns.iter().map(|(name, _)| text(name, std::iter::empty::<Option<&str>>())).collect();
        visitor.batch(&batch(path, empty, nesting, RowPositions::Rows(1))?)?;
    }
    Ok(())
}

fn describe(connection: &Connection, file: &str) -> duckdb::Result<Vec<(String, String)>> {
    let mut statement =
        connection.prepare(&format!("DESCRIBE SELECT * FROM read_parquet({file}, hive_partitioning = false)"))?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn nesting(kind: &str) -> Nesting {
    match kind {
        _ if kind.ends_with(']') => Nesting::List,
        _ if kind.starts_with("MAP") || kind.starts_with("STRUCT") => Nesting::Object,
        _ => Nesting::Scalar,
    }
}

/// Returns the SELECT expression that casts a column to a type that [`column`] converts.
fn projection(name: &str, kind: &str) -> String {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    match kind {
        "VARCHAR" | "BOOLEAN" | "BIGINT" | "DOUBLE" | "DATE" => quoted,
        "TINYINT" | "SMALLINT" | "INTEGER" | "UTINYINT" | "USMALLINT" | "UINTEGER" => format!("{quoted}::BIGINT"),
        "FLOAT" => format!("{quoted}::DOUBLE"),
        // As text they can be parsed as a timestamp, a number or a name, without loss.
        "UBIGINT" | "HUGEINT" | "UHUGEINT" => format!("{quoted}::VARCHAR"),
        _ if nesting(kind) != Nesting::Scalar => format!("to_json({quoted})::VARCHAR"),
        _ if kind.starts_with("TIMESTAMP") => quoted,
        _ if kind.starts_with("DECIMAL") => format!("{quoted}::DOUBLE"),
        _ => format!("{quoted}::VARCHAR"),
    }
}

/// Converts an Arrow array to a polars column.
fn column(name: &str, array: &ArrayRef) -> Column {
    let stamps = |values: &mut dyn Iterator<Item = Option<i64>>, per_second: i64| {
        let millis = values.map(|value| value.and_then(|count| timestamp::from_units(count, per_second)));
        Int64Chunked::from_iter_options(name.into(), millis).into_datetime(PolarsUnit::Milliseconds, None).into_column()
    };
    match array.data_type() {
        DataType::Int64 => {
            Int64Chunked::from_iter_options(name.into(), array.as_primitive::<Int64Type>().iter()).into_column()
        }
        DataType::Float64 => {
            Float64Chunked::from_iter_options(name.into(), array.as_primitive::<Float64Type>().iter()).into_column()
        }
        DataType::Boolean => BooleanChunked::from_iter_options(name.into(), array.as_boolean().iter()).into_column(),
        DataType::Date32 => {
            let mut days = array.as_primitive::<Date32Type>().iter().map(|day| day.map(|day| i64::from(day) * 86_400));
            stamps(&mut days, 1)
        }
        DataType::Timestamp(TimeUnit::Second, _) => stamps(&mut array.as_primitive::<TimestampSecondType>().iter(), 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            stamps(&mut array.as_primitive::<TimestampMillisecondType>().iter(), 1000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            stamps(&mut array.as_primitive::<TimestampMicrosecondType>().iter(), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            stamps(&mut array.as_primitive::<TimestampNanosecondType>().iter(), 1_000_000_000)
        }
        DataType::Utf8 => text(name, array.as_string::<i32>().iter()),
        DataType::LargeUtf8 => text(name, array.as_string::<i64>().iter()),
        DataType::Utf8View => text(name, array.as_string_view().iter()),
        // `projection` gives no other type.
        _ => text(name, (0..array.len()).map(|_| None::<&str>)),
    }
}

fn text<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    StringChunked::from_iter_options(name.into(), values).into_column()
}

fn escape_glob(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '*' | '?' | '[' => format!("[{c}]"),
            other => other.to_string(),
        })
        .collect()
}
