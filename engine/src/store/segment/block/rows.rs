//! Blocks as rows of a table: its DDL, reading, appending, and the relation of samples over it.

use std::sync::Arc;

use arrow::{
    array::{AsArray, BinaryArray, RecordBatch, TimestampMillisecondArray, UInt32Array},
    datatypes::{DataType, Field, Schema, TimeUnit, TimestampMillisecondType, UInt32Type},
};
use duckdb::Connection;

use super::{
    Block, BlockRef,
    functions::{BUCKETS, TIMESTAMPS, VALUES},
};
use crate::store::{StoreError, error::failed_to};

/// Columns of a table of blocks, in the order that [`each`] reads.
pub(in crate::store) const COLUMNS: &str = "series_id, begin_at, end_at, count, timestamps, \"values\", checksum";

/// Number of blocks that are appended at once.
const APPENDED: usize = 2_048;

/// Returns the statement that creates a table of blocks.
pub(in crate::store::segment) fn create_table(table: &str) -> String {
    format!("CREATE OR REPLACE TABLE {table} ({});", DEFINITION)
}

/// Columns of a table of blocks with their types.
pub(in crate::store) const DEFINITION: &str = "series_id UINTEGER NOT NULL, begin_at TIMESTAMP_MS NOT NULL, \
    end_at TIMESTAMP_MS NOT NULL, count UINTEGER NOT NULL, timestamps BLOB NOT NULL, \"values\" BLOB NOT NULL, \
    checksum UINTEGER NOT NULL";

/// Returns the relation of samples over the blocks of a relation that satisfy a condition.
///
/// `columns`: of `series_id`, `timestamp` and `value`; only the parts that it names are decoded.
pub(in crate::store) fn samples_of(relation: &str, columns: &str, condition: &str) -> String {
    let timestamp = format!("unnest({TIMESTAMPS}(begin_at, end_at, count, timestamps)) AS timestamp");
    let value = format!("unnest({VALUES}({COLUMNS})) AS value");
    let parts: Vec<&str> = [("series_id", "series_id"), ("timestamp", &timestamp), ("value", &value)]
        .into_iter()
        .filter(|(name, _)| *name == "series_id" || columns.contains(name))
        .map(|(_, sql)| sql)
        .collect();
    let kept = if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
    format!("(SELECT {} FROM {relation}{kept})", parts.join(", "))
}

/// Returns the relation of the buckets of 5 minutes of each block of a relation, with the columns of
/// [`fine_buckets`](crate::store::segment::fine_buckets).
pub(in crate::store) fn buckets_of(relation: &str) -> String {
    format!(
        "(SELECT series_id, bucket.* FROM (SELECT series_id, unnest({BUCKETS}({COLUMNS})) AS bucket FROM {relation}))"
    )
}

/// Returns the bytes of the blocks of a table before DuckDB's own compression.
pub(in crate::store::segment) fn stored_bytes(connection: &Connection, table: &str) -> Result<u64, StoreError> {
    // The other columns take 28 bytes.
    let sql = format!(
        "SELECT coalesce(sum(octet_length(timestamps) + octet_length(\"values\") + 28), 0)::UBIGINT FROM {table}"
    );
    connection.query_row(&sql, [], |row| row.get(0)).map_err(failed_to("measure the blocks of a segment"))
}

/// The blocks of a batch with the columns [`COLUMNS`].
pub(super) struct Blocks<'a> {
    series: &'a [u32],
    begin: &'a [i64],
    end: &'a [i64],
    count: &'a [u32],
    timestamps: &'a BinaryArray,
    values: &'a BinaryArray,
    checksum: &'a [u32],
}

impl<'a> Blocks<'a> {
    pub(super) fn of(batch: &'a RecordBatch) -> Self {
        let numbers = |column: usize| batch.column(column).as_primitive::<UInt32Type>().values();
        let times = |column: usize| batch.column(column).as_primitive::<TimestampMillisecondType>().values();
        Self {
            series: numbers(0),
            begin: times(1),
            end: times(2),
            count: numbers(3),
            timestamps: batch.column(4).as_binary(),
            values: batch.column(5).as_binary(),
            checksum: numbers(6),
        }
    }

    pub(super) fn block(&self, row: usize) -> BlockRef<'a> {
        BlockRef {
            series: self.series[row],
            begin: self.begin[row],
            end: self.end[row],
            count: self.count[row],
            timestamps: self.timestamps.value(row),
            values: self.values.value(row),
            checksum: self.checksum[row],
        }
    }
}

/// Calls `read` for every block of a batch with the columns [`COLUMNS`].
pub(in crate::store) fn each(
    batch: &RecordBatch,
    read: impl FnMut(BlockRef<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let blocks = Blocks::of(batch);
    (0..batch.num_rows()).map(|row| blocks.block(row)).try_for_each(read)
}

/// Appends blocks to a table, many at a time.
pub(in crate::store::segment) struct Appender<'a> {
    inner: duckdb::Appender<'a>,
    blocks: Vec<Block>,
}

impl<'a> Appender<'a> {
    /// Opens a table of the schema `store`.
    pub(in crate::store::segment) fn new(connection: &'a Connection, table: &str) -> Result<Self, StoreError> {
        let inner = connection.appender_to_db(table, "store").map_err(failed_to("write blocks"))?;
        Ok(Self { inner, blocks: Vec::new() })
    }

    pub(in crate::store::segment) fn push(&mut self, block: Block) -> Result<(), StoreError> {
        self.blocks.push(block);
        if self.blocks.len() < APPENDED { Ok(()) } else { self.append() }
    }

    /// Writes what was pushed. Without it the blocks are lost.
    pub(in crate::store::segment) fn finish(mut self) -> Result<(), StoreError> {
        self.append()?;
        self.inner.flush().map_err(failed_to("write blocks"))
    }

    fn append(&mut self) -> Result<(), StoreError> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        let batch = batch(&self.blocks)
            .map_err(|error| StoreError::InvalidRow { table: "blocks", detail: error.to_string() })?;
        self.blocks.clear();
        self.inner.append_record_batch(batch).map_err(failed_to("write blocks"))
    }
}

fn batch(blocks: &[Block]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let schema = Schema::new(vec![
        Field::new("series_id", DataType::UInt32, false),
        Field::new("begin_at", time.clone(), false),
        Field::new("end_at", time, false),
        Field::new("count", DataType::UInt32, false),
        Field::new("timestamps", DataType::Binary, false),
        Field::new("values", DataType::Binary, false),
        Field::new("checksum", DataType::UInt32, false),
    ]);
    let numbers = |of: fn(&Block) -> u32| Arc::new(UInt32Array::from_iter_values(blocks.iter().map(of)));
    let times = |of: fn(&Block) -> i64| Arc::new(TimestampMillisecondArray::from_iter_values(blocks.iter().map(of)));
    let bytes = |of: fn(&Block) -> &[u8]| Arc::new(BinaryArray::from_iter_values(blocks.iter().map(of)));
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            numbers(|block| block.series),
            times(|block| block.begin),
            times(|block| block.end),
            numbers(|block| block.count),
            bytes(|block| &block.timestamps),
            bytes(|block| &block.values),
            numbers(|block| block.checksum),
        ],
    )
}
