//! Functions of SQL that decode blocks, for the views of samples.

use std::{error::Error, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, ListArray, RecordBatch, TimestampMillisecondArray},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Field, TimeUnit, TimestampMillisecondType, UInt32Type},
};
use duckdb::{
    Connection,
    vscalar::{ArrowFunctionSignature, VArrowScalar},
};

use super::{
    decode::{decode_timestamps, decode_values},
    rows::each,
};
use crate::{
    series::stale_marker,
    store::{StoreError, error::failed_to},
};

/// Name of the function `(begin_at, end_at, count, timestamps) → TIMESTAMP_MS[]`.
pub(super) const TIMESTAMPS: &str = "almanac_block_timestamps";
/// Name of the function `(series_id, begin_at, end_at, count, timestamps, values, checksum) → DOUBLE[]`, which compares the
/// checksum; stale markers are NULL.
pub(super) const VALUES: &str = "almanac_block_values";

/// Registers the functions in a database, for all of its connections.
pub(in crate::store) fn register(connection: &Connection) -> Result<(), StoreError> {
    connection
        .register_scalar_function::<BlockTimestamps>(TIMESTAMPS)
        .and_then(|()| connection.register_scalar_function::<BlockValues>(VALUES))
        .map_err(failed_to("register the functions for blocks"))
}

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

struct BlockTimestamps;

impl VArrowScalar for BlockTimestamps {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Result<Arc<dyn Array>, Box<dyn Error>> {
        let [begin, end] = [0, 1].map(|column| input.column(column).as_primitive::<TimestampMillisecondType>());
        let count = input.column(2).as_primitive::<UInt32Type>();
        let bytes = input.column(3).as_binary::<i32>();
        let mut elements = Vec::new();
        let mut ends = vec![0];
        for row in 0..input.num_rows() {
            let (begin, end) = (begin.value(row), end.value(row));
            decode_timestamps(begin, end, count.value(row), bytes.value(row), &mut elements)?;
            ends.push(i32::try_from(elements.len())?);
        }
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        let elements: ArrayRef = Arc::new(TimestampMillisecondArray::from(elements));
        Ok(Arc::new(ListArray::new(Arc::new(Field::new_list_field(TIME, true)), ends, elements, None)))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        vec![ArrowFunctionSignature::exact(vec![TIME, TIME, DataType::UInt32, DataType::Binary], list_of(TIME))]
    }
}

struct BlockValues;

impl VArrowScalar for BlockValues {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Result<Arc<dyn Array>, Box<dyn Error>> {
        let mut elements = Vec::new();
        let mut ends = vec![0];
        each(&input, |block| {
            block.check().and_then(|()| decode_values(block.count, block.values, &mut elements)).map_err(|error| {
                StoreError::Corrupt { table: "samples", detail: format!("series {}: {error}", block.series) }
            })?;
            // A batch has up to 2,048 blocks of 1,440 samples.
            ends.push(i32::try_from(elements.len()).unwrap_or(i32::MAX));
            Ok(())
        })?;
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        let stale = stale_marker().to_bits();
        let nulls = elements
            .iter()
            .any(|value| value.to_bits() == stale)
            .then(|| elements.iter().map(|value| value.to_bits() != stale).collect::<NullBuffer>());
        let elements: ArrayRef = Arc::new(Float64Array::new(elements.into(), nulls));
        Ok(Arc::new(ListArray::new(Arc::new(Field::new_list_field(DataType::Float64, true)), ends, elements, None)))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        let block =
            vec![DataType::UInt32, TIME, TIME, DataType::UInt32, DataType::Binary, DataType::Binary, DataType::UInt32];
        vec![ArrowFunctionSignature::exact(block, list_of(DataType::Float64))]
    }
}
