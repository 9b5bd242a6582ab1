//! Writes parts of samples as Parquet files, with a DuckDB database in memory.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array},
    buffer::NullBuffer,
    error::ArrowError,
};
use duckdb::Connection;

use super::text::labels_json;
use crate::series::{SeriesSamples, is_stale};

/// Samples that are handed to DuckDB together.
const BATCH: usize = 262_144;

/// Tables of a part; the columns of the file come from both.
const TABLES: &str = "SET threads = 1;
    CREATE TABLE series (id UINTEGER NOT NULL, metric VARCHAR NOT NULL, labels VARCHAR NOT NULL);
    CREATE TABLE samples (id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE);";

/// Writes a file with the columns `metric`, `labels`, `timestamp`, `value` and `stale_marker`, sorted by series and time and
/// compressed with zstd. A stale marker is NULL as a value.
pub(super) fn write(path: &Path, series: &[SeriesSamples]) -> duckdb::Result<()> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLES)?;
    let ids: Vec<u32> = (0..).take(series.len()).collect();
    let names: StringArray = series.iter().map(|one| Some(one.labels.metric_name())).collect();
    let labels: StringArray = series.iter().map(|one| Some(labels_json(&one.labels))).collect();
    let columns = [
        ("id", Arc::new(UInt32Array::from(ids)) as _),
        ("metric", Arc::new(names) as _),
        ("labels", Arc::new(labels) as _),
    ];
    append(&connection, "series", RecordBatch::try_from_iter(columns))?;
    let mut rows: Vec<(u32, i64, f64)> = Vec::with_capacity(BATCH);
    for (id, one) in (0..).zip(series) {
        for (timestamp, value) in one.timestamps.iter().zip(&one.values) {
            rows.push((id, *timestamp, *value));
            if rows.len() == BATCH {
                append(&connection, "samples", samples(&rows))?;
                rows.clear();
            }
        }
    }
    append(&connection, "samples", samples(&rows))?;
    let target = path.to_string_lossy().replace('\'', "''");
    connection.execute_batch(&format!(
        "COPY (SELECT metric, labels, timestamp, value, value IS NULL AS stale_marker
             FROM samples JOIN (SELECT id, metric, labels::JSON::MAP(VARCHAR, VARCHAR) AS labels FROM series) USING (id)
             ORDER BY id, timestamp)
         TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    ))
}

fn samples(rows: &[(u32, i64, f64)]) -> Result<RecordBatch, ArrowError> {
    let known: NullBuffer = rows.iter().map(|(_, _, value)| !is_stale(*value)).collect();
    let values: Vec<f64> = rows.iter().map(|(_, _, value)| *value).collect();
    RecordBatch::try_from_iter([
        ("id", Arc::new(rows.iter().map(|row| row.0).collect::<UInt32Array>()) as _),
        ("timestamp", Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.1))) as _),
        ("value", Arc::new(Float64Array::new(values.into(), Some(known))) as _),
    ])
}

fn append(connection: &Connection, table: &str, rows: Result<RecordBatch, ArrowError>) -> duckdb::Result<()> {
    let rows = rows.map_err(|error| duckdb::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut appender = connection.appender(table)?;
    appender.append_record_batch(rows)?;
    appender.flush()
}
