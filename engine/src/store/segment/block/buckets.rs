//! The function of SQL that aggregates the samples of a block into buckets of 5 minutes.

use std::{error::Error, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, Float64Array, ListArray, RecordBatch, StructArray, TimestampMillisecondArray, UInt64Array,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Fields, TimeUnit},
};
use duckdb::vscalar::{ArrowFunctionSignature, VArrowScalar};

use super::{
    super::rollup::FINE_MS,
    rows::Blocks,
    threads::{in_threads, shares},
};
use crate::{
    series::is_stale,
    store::{StoreError, segment::damaged},
};

/// Samples of a bucket, without stale markers. Minimum and maximum order NaN as DuckDB does: above all numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    /// Start of the bucket.
    timestamp: i64,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    /// Value of the newest sample.
    last: f64,
    /// Timestamp of the newest sample.
    last_at: i64,
}

/// Aggregates samples, sorted by time.
pub(super) fn buckets(timestamps: &[i64], values: &[f64]) -> Vec<Bucket> {
    let mut all: Vec<Bucket> = Vec::new();
    for (&at, &value) in timestamps.iter().zip(values).filter(|(_, value)| !is_stale(**value)) {
        match all.last_mut() {
            Some(bucket) if at - bucket.timestamp < FINE_MS => bucket.add(at, value),
            _ => all.push(Bucket {
                timestamp: at.div_euclid(FINE_MS) * FINE_MS,
                count: 1,
                sum: value,
                min: value,
                max: value,
                last: value,
                last_at: at,
            }),
        }
    }
    all
}

impl Bucket {
    fn add(&mut self, at: i64, value: f64) {
        self.count += 1;
        self.sum += value;
        if value < self.min || self.min.is_nan() {
            self.min = value;
        }
        if value > self.max || value.is_nan() {
            self.max = value;
        }
        (self.last, self.last_at) = (value, at);
    }
}

/// Aggregates blocks; the fields of a bucket are those of [`Bucket`].
pub(super) struct BlockBuckets;

impl VArrowScalar for BlockBuckets {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Result<Arc<dyn Array>, Box<dyn Error>> {
        let blocks = Blocks::of(&input);
        let parts = in_threads(shares(input.num_rows()), |rows| {
            let (mut all, mut lengths) = (Vec::new(), Vec::with_capacity(rows.len()));
            let (mut timestamps, mut values) = (Vec::new(), Vec::new());
            for block in rows.map(|row| blocks.block(row)) {
                timestamps.clear();
                values.clear();
                block.decode(&mut timestamps, &mut values).map_err(|error| damaged(block.series, &error))?;
                let buckets = buckets(&timestamps, &values);
                lengths.push(buckets.len());
                all.extend(buckets);
            }
            Ok::<_, StoreError>((all, lengths))
        })?;
        let (all, lengths): (Vec<Vec<Bucket>>, Vec<Vec<usize>>) = parts.into_iter().unzip();
        let (all, lengths) = (all.concat(), lengths.concat());
        let numbers =
            |of: fn(&Bucket) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(all.iter().map(of))) };
        let times = |of: fn(&Bucket) -> i64| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from_iter_values(all.iter().map(of)))
        };
        let columns = vec![
            times(|bucket| bucket.timestamp),
            Arc::new(UInt64Array::from_iter_values(all.iter().map(|bucket| bucket.count))),
            numbers(|bucket| bucket.sum),
            numbers(|bucket| bucket.min),
            numbers(|bucket| bucket.max),
            numbers(|bucket| bucket.last),
            times(|bucket| bucket.last_at),
        ];
        let buckets = StructArray::try_new(fields(), columns, None)?;
        let element = Field::new_list_field(DataType::Struct(fields()), true);
        Ok(Arc::new(ListArray::try_new(
            Arc::new(element),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(buckets),
            None,
        )?))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        use DataType::{Binary, UInt32};
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Struct(fields()), true)));
        vec![ArrowFunctionSignature::exact(vec![UInt32, TIME, TIME, UInt32, Binary, Binary, UInt32], list)]
    }
}

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn fields() -> Fields {
    let number = |name| Field::new(name, DataType::Float64, true);
    vec![
        Field::new("timestamp", TIME, true),
        Field::new("count", DataType::UInt64, true),
        number("sum"),
        number("min"),
        number("max"),
        number("last"),
        Field::new("last_at", TIME, true),
    ]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::stale_marker;

    fn bucket(timestamp: i64, (count, sum): (u64, f64), (min, max): (f64, f64), (last, last_at): (f64, i64)) -> Bucket {
        Bucket { timestamp, count, sum, min, max, last, last_at }
    }

    #[test]
    fn samples_are_aggregated_by_their_bucket() {
        let timestamps = [-1, 0, 10, 299_999, 300_000, 900_000];
        let values = [5.0, 1.0, -2.0, 4.0, stale_marker(), 7.0];
        assert_eq!(
            buckets(&timestamps, &values),
            [
                bucket(-FINE_MS, (1, 5.0), (5.0, 5.0), (5.0, -1)),
                bucket(0, (3, 3.0), (-2.0, 4.0), (4.0, 299_999)),
                bucket(900_000, (1, 7.0), (7.0, 7.0), (7.0, 900_000)),
            ]
        );
        assert!(buckets(&[], &[]).is_empty());
    }

    #[test]
    fn a_nan_is_the_maximum_and_not_the_minimum() {
        for values in [[f64::NAN, 2.0, 1.0], [2.0, f64::NAN, 1.0], [1.0, 2.0, f64::NAN]] {
            let all = buckets(&[0, 1, 2], &values);
            assert!(all[0].max.is_nan() && all[0].sum.is_nan(), "{all:?}");
            assert_eq!((all[0].min.to_bits(), all[0].count), (1.0_f64.to_bits(), 3));
        }
    }
}
