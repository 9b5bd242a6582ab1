//! Functions of SQL that decode blocks, for the views of samples.

use std::{error::Error, ops::Range};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{TimestampMillisecondType, UInt32Type},
};
use duckdb::{
    Connection,
    core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId},
    vscalar::{ScalarFunctionSignature, VScalar},
    vtab::arrow::{WritableVector, data_chunk_to_arrow},
};

use super::{
    buckets::BlockBuckets,
    decode::{BlockError, decode_timestamps, decode_values, length},
    rows::Blocks,
    threads::{in_threads, shares},
};
use crate::{
    series::is_stale,
    store::{StoreError, error::failed_to, segment::damaged},
};

/// Name of the function `(begin_at, end_at, count, timestamps) → TIMESTAMP_MS[]`.
pub(super) const TIMESTAMPS: &str = "almanac_block_timestamps";
/// Name of the function `(series_id, begin_at, end_at, count, timestamps, values, checksum) → DOUBLE[]`, which compares the
/// checksum; stale markers are NULL.
pub(super) const VALUES: &str = "almanac_block_values";

/// Name of the function `(series_id, …, checksum) → STRUCT[]`, which aggregates the samples of each block; see
/// [`Bucket`](super::buckets::Bucket).
pub(super) const BUCKETS: &str = "almanac_block_buckets";

/// Registers the functions in a database, for all of its connections.
pub(in crate::store) fn register(connection: &Connection) -> Result<(), StoreError> {
    connection
        .register_scalar_function::<BlockTimestamps>(TIMESTAMPS)
        .and_then(|()| connection.register_scalar_function::<BlockValues>(VALUES))
        .and_then(|()| connection.register_scalar_function::<BlockBuckets>(BUCKETS))
        .map_err(failed_to("register the functions for blocks"))
}

/// Types of the columns of [`COLUMNS`](super::COLUMNS) at these places.
fn types(places: std::ops::Range<usize>) -> Vec<LogicalTypeHandle> {
    use LogicalTypeId::{Blob, TimestampMs, UInteger};
    [UInteger, TimestampMs, TimestampMs, UInteger, Blob, Blob, UInteger][places].iter().map(|&id| id.into()).collect()
}

struct BlockTimestamps;

impl VScalar for BlockTimestamps {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Result<(), Box<dyn Error>> {
        let input = data_chunk_to_arrow(input)?;
        let [begin, end] =
            [0, 1].map(|column| input.column(column).as_primitive::<TimestampMillisecondType>().values());
        let bytes = input.column(3).as_binary::<i32>();
        Lists::of(&input, 2)?.write(output, |row, timestamps: &mut [i64]| {
            decode_timestamps(begin[row], end[row], bytes.value(row), timestamps)?;
            Ok(Vec::new())
        })
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        vec![ScalarFunctionSignature::exact(types(1..5), LogicalTypeHandle::list(&LogicalTypeId::TimestampMs.into()))]
    }
}

struct BlockValues;

impl VScalar for BlockValues {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Result<(), Box<dyn Error>> {
        let input = data_chunk_to_arrow(input)?;
        let blocks = Blocks::of(&input);
        Lists::of(&input, 3)?.write(output, |row, values: &mut [f64]| {
            let block = blocks.block(row);
            block
                .check()
                .and_then(|()| decode_values(block.values, values))
                .map_err(|error| damaged(block.series, &error))?;
            if !values.iter().any(|value| is_stale(*value)) {
                return Ok(Vec::new());
            }
            Ok((0..).zip(values).filter(|(_, value)| is_stale(**value)).map(|(place, _)| place).collect())
        })
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        vec![ScalarFunctionSignature::exact(types(0..7), LogicalTypeHandle::list(&LogicalTypeId::Double.into()))]
    }
}

/// Lists of the elements of blocks, one after the other.
struct Lists {
    /// Place of the first element of each list, and the number of all elements.
    bounds: Vec<usize>,
}

impl Lists {
    /// Reads the lengths in a column of `count`.
    fn of(input: &RecordBatch, column: usize) -> Result<Self, BlockError> {
        let counts = input.column(column).as_primitive::<UInt32Type>().values();
        let mut bounds = vec![0];
        let mut total = 0;
        for &count in counts {
            total += length(count)?;
            bounds.push(total);
        }
        Ok(Self { bounds })
    }

    /// Has `decode` write the elements of each list into the memory of `output`; it gets the number of the list, and returns the
    /// places of the elements that become NULL. `T` must be the type by which DuckDB stores the elements.
    fn write<T: Element>(
        &self,
        output: &mut dyn WritableVector,
        decode: impl Fn(usize, &mut [T]) -> Result<Vec<usize>, Box<dyn Error + Send + Sync>> + Sync,
    ) -> Result<(), Box<dyn Error>> {
        let total = self.bounds.last().copied().unwrap_or_default();
        let mut list = output.list_vector();
        let mut child = list.child(total);
        #[expect(unsafe_code, reason = "DuckDB's memory is written without a copy")]
        // SAFETY: `child` has memory for `total` elements of type `T`, to which no other reference exists; `decode` writes each before
        // it reads it.
        let elements = unsafe { child.as_mut_slice_with_len::<T>(total) };
        let mut parts = Vec::new();
        let mut rest = elements;
        for lists in shares(self.bounds.len() - 1) {
            let (part, left) = rest.split_at_mut(self.bounds[lists.end] - self.bounds[lists.start]);
            rest = left;
            parts.push((lists, part));
        }
        let run = |(lists, mut elements): (Range<usize>, &mut [T])| {
            let mut nulls = Vec::new();
            for row in lists {
                let (own, left) = std::mem::take(&mut elements).split_at_mut(self.bounds[row + 1] - self.bounds[row]);
                nulls.extend(decode(row, own)?.into_iter().map(|place| self.bounds[row] + place));
                elements = left;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(nulls)
        };
        let nulls = in_threads(parts, run).map_err(|error| -> Box<dyn Error> { error })?;
        for place in nulls.into_iter().flatten() {
            child.set_null(place);
        }
        for (row, bounds) in self.bounds.windows(2).enumerate() {
            list.set_entry(row, bounds[0], bounds[1] - bounds[0]);
        }
        list.set_len(total);
        Ok(())
    }
}

/// A type by which DuckDB stores elements of lists.
trait Element: Copy + Send {}
/// `TIMESTAMP_MS`.
impl Element for i64 {}
/// `DOUBLE`.
impl Element for f64 {}
