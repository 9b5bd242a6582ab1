//! The table of native histograms: its DDL, its view, and its columns as Arrow batches.
//!
//! A histogram is a row with its buckets as lists of indices and counts, so that the file and analysts need no encoding
//! of its own. Rows are in order of arrival; of rows with the same series and timestamp the one with the highest sequence
//! number counts.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Array, Int8Array, Int64Array, ListBuilder, PrimitiveBuilder, RecordBatch,
        TimestampMillisecondArray, UInt8Array, UInt32Array,
    },
    datatypes::{
        ArrowPrimitiveType, Float64Type, Int8Type, Int32Type, Int64Type, TimestampMillisecondType, UInt8Type,
        UInt32Type,
    },
};

use crate::{
    histogram::{Buckets, Histogram, ResetHint},
    store::StoreError,
};

/// DDL of schema version 5.
pub(in crate::store) const TABLE: &str = "
CREATE TABLE store.histograms (
    series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, seq BIGINT NOT NULL, schema TINYINT NOT NULL,
    hint UTINYINT NOT NULL, zero_threshold DOUBLE NOT NULL, zero_count DOUBLE NOT NULL, count DOUBLE NOT NULL,
    sum DOUBLE NOT NULL, positive_index INTEGER[] NOT NULL, positive_count DOUBLE[] NOT NULL,
    negative_index INTEGER[] NOT NULL, negative_count DOUBLE[] NOT NULL, bounds DOUBLE[] NOT NULL);
";

/// Columns that [`read`] takes, in order.
pub(in crate::store) const COLUMNS: &str = "series_id, timestamp, seq, schema, hint, zero_threshold, zero_count, count, \
     sum, positive_index, positive_count, negative_index, negative_count, bounds";

/// `SELECT` of the view that analysts see: the buckets with their bounds, from the lowest to the highest value.
pub(in crate::store) const VIEW: &str = "
    SELECT series_id, timestamp, count, sum,
        list_reverse(list_transform(list_zip(negative_index, negative_count), lambda b: {
            lower: -(2.0 ** (b[1] / 2.0 ** schema)), upper: -(2.0 ** ((b[1] - 1) / 2.0 ** schema)), count: b[2]}))
        || CASE WHEN zero_count > 0
            THEN [{lower: -zero_threshold, upper: zero_threshold, count: zero_count}] ELSE [] END
        || list_transform(list_zip(positive_index, positive_count), lambda b: {
            lower: CASE WHEN schema = -53 THEN coalesce(bounds[b[1]], '-inf'::DOUBLE)
                ELSE 2.0 ** ((b[1] - 1) / 2.0 ** schema) END,
            upper: CASE WHEN schema = -53 THEN coalesce(bounds[b[1] + 1], 'inf'::DOUBLE)
                ELSE 2.0 ** (b[1] / 2.0 ** schema) END,
            count: b[2]}) AS buckets
    FROM store.histograms QUALIFY row_number() OVER (PARTITION BY series_id, timestamp ORDER BY seq DESC) = 1";

/// A row of the table.
#[derive(Debug, Clone)]
pub(in crate::store) struct HistogramRow {
    pub(in crate::store) series: u32,
    pub(in crate::store) timestamp: i64,
    pub(in crate::store) seq: i64,
    pub(in crate::store) histogram: Arc<Histogram>,
}

/// Returns rows as a batch with the columns of the table.
pub(in crate::store) fn batch(rows: &[HistogramRow]) -> Result<RecordBatch, StoreError> {
    fn list<T: ArrowPrimitiveType>(values: impl Iterator<Item = Vec<T::Native>>) -> ArrayRef {
        let mut lists = ListBuilder::new(PrimitiveBuilder::<T>::new());
        for values in values {
            lists.values().append_slice(&values);
            lists.append(true);
        }
        Arc::new(lists.finish())
    }
    let all = || rows.iter().map(|row| &*row.histogram);
    let floats = |of: fn(&Histogram) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(all().map(of))) };
    let indices = |of: fn(&Histogram) -> &Buckets| {
        list::<Int32Type>(all().map(|histogram| of(histogram).iter().map(|bucket| bucket.0).collect()))
    };
    let counts = |of: fn(&Histogram) -> &Buckets| {
        list::<Float64Type>(all().map(|histogram| of(histogram).iter().map(|bucket| bucket.1).collect()))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("series_id", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.series)))),
        ("timestamp", Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.timestamp)))),
        ("seq", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.seq)))),
        ("schema", Arc::new(Int8Array::from_iter_values(all().map(|histogram| histogram.schema)))),
        ("hint", Arc::new(UInt8Array::from_iter_values(all().map(|histogram| histogram.hint.number())))),
        ("zero_threshold", floats(|histogram| histogram.zero_threshold)),
        ("zero_count", floats(|histogram| histogram.zero_count)),
        ("count", floats(|histogram| histogram.count)),
        ("sum", floats(|histogram| histogram.sum)),
        ("positive_index", indices(|histogram| &histogram.positive)),
        ("positive_count", counts(|histogram| &histogram.positive)),
        ("negative_index", indices(|histogram| &histogram.negative)),
        ("negative_count", counts(|histogram| &histogram.negative)),
        ("bounds", list::<Float64Type>(all().map(|histogram| histogram.custom.to_vec()))),
    ];
    RecordBatch::try_from_iter(columns)
        .map_err(|error| StoreError::InvalidRow { table: "histograms", detail: error.to_string() })
}

/// Calls `take` with each row of a batch of [`COLUMNS`].
pub(in crate::store) fn read(
    batch: &RecordBatch,
    mut take: impl FnMut(HistogramRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    fn numbers<T: ArrowPrimitiveType>(batch: &RecordBatch, column: usize) -> Result<&[T::Native], StoreError> {
        let array = batch.column(column).as_primitive_opt::<T>().filter(|array| array.null_count() == 0);
        array.map(|array| &array.values()[..]).ok_or_else(|| corrupt(column, "has the wrong type or is NULL"))
    }
    fn list<T: ArrowPrimitiveType>(batch: &RecordBatch, column: usize, row: usize) -> Result<ArrayRef, StoreError> {
        let lists = batch.column(column).as_list_opt::<i32>().ok_or_else(|| corrupt(column, "is not a list"))?;
        let values = lists.value(row);
        match values.as_primitive_opt::<T>() {
            Some(numbers) if numbers.null_count() == 0 => Ok(values),
            _ => Err(corrupt(column, "is not a list of numbers")),
        }
    }
    let series = numbers::<UInt32Type>(batch, 0)?;
    let timestamps = numbers::<TimestampMillisecondType>(batch, 1)?;
    let seqs = numbers::<Int64Type>(batch, 2)?;
    let schemas = numbers::<Int8Type>(batch, 3)?;
    let hints = numbers::<UInt8Type>(batch, 4)?;
    let floats: Vec<&[f64]> = (5..9).map(|column| numbers::<Float64Type>(batch, column)).collect::<Result<_, _>>()?;
    let buckets = |column: usize, row: usize| -> Result<Buckets, StoreError> {
        let indices = list::<Int32Type>(batch, column, row)?;
        let counts = list::<Float64Type>(batch, column + 1, row)?;
        if indices.len() != counts.len() {
            return Err(corrupt(column, "has another length than its counts"));
        }
        let indices = indices.as_primitive::<Int32Type>().values().to_vec();
        Ok(indices.into_iter().zip(counts.as_primitive::<Float64Type>().values().iter().copied()).collect())
    };
    for row in 0..batch.num_rows() {
        let bounds = list::<Float64Type>(batch, 13, row)?;
        let histogram = Histogram {
            schema: schemas[row],
            zero_threshold: floats[0][row],
            zero_count: floats[1][row],
            count: floats[2][row],
            sum: floats[3][row],
            positive: buckets(9, row)?,
            negative: buckets(11, row)?,
            custom: bounds.as_primitive::<Float64Type>().values().to_vec().into(),
            hint: ResetHint::from_number(hints[row].into()),
        };
        let histogram = Arc::new(histogram);
        take(HistogramRow { series: series[row], timestamp: timestamps[row], seq: seqs[row], histogram })?;
    }
    Ok(())
}

fn corrupt(column: usize, what: &str) -> StoreError {
    let name = COLUMNS.split(", ").nth(column).unwrap_or("?");
    StoreError::Corrupt { table: "histograms", detail: format!("column {} {what}", name.trim()) }
}
