//! Collects samples as columns for DuckDB.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMillisecondArray, UInt32Array},
    buffer::NullBuffer,
    datatypes::{DataType, Field, Schema, TimeUnit},
    error::ArrowError,
};

use crate::series::is_stale;

/// Rows of a hot segment, as columns.
#[derive(Debug, Default)]
pub(in crate::store) struct SampleColumns {
    pub(in crate::store) series: Vec<u32>,
    pub(in crate::store) timestamps: Vec<i64>,
    pub(in crate::store) values: Vec<f64>,
    stale: usize,
}

impl SampleColumns {
    pub(in crate::store) fn with_capacity(rows: usize) -> Self {
        Self {
            series: Vec::with_capacity(rows),
            timestamps: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            stale: 0,
        }
    }

    pub(in crate::store) fn push(&mut self, series: u32, timestamp: i64, value: f64) {
        self.series.push(series);
        self.timestamps.push(timestamp);
        self.values.push(value);
        self.stale += usize::from(is_stale(value));
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.series.len()
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Returns the oldest and newest timestamp.
    pub(in crate::store) fn span(&self) -> Option<(i64, i64)> {
        Some((*self.timestamps.iter().min()?, *self.timestamps.iter().max()?))
    }

    /// Converts the columns for DuckDB. A stale marker becomes NULL, since DuckDB does not keep NaN payloads.
    fn into_arrays(self) -> Vec<ArrayRef> {
        let nulls = (self.stale > 0).then(|| self.values.iter().map(|&value| !is_stale(value)).collect::<NullBuffer>());
        vec![
            Arc::new(UInt32Array::from(self.series)),
            Arc::new(TimestampMillisecondArray::from(self.timestamps)),
            Arc::new(Float64Array::new(self.values.into(), nulls)),
        ]
    }
}

/// Rows of a late segment: samples with their sequence numbers in arrival order.
#[derive(Debug, Default)]
pub(in crate::store) struct LateColumns {
    pub(in crate::store) samples: SampleColumns,
    pub(in crate::store) seq: Vec<i64>,
}

impl LateColumns {
    pub(in crate::store) fn push(&mut self, series: u32, timestamp: i64, value: f64, seq: i64) {
        self.samples.push(series, timestamp, value);
        self.seq.push(seq);
    }

    /// Converts the rows to a batch for DuckDB.
    pub(in crate::store) fn into_batch(self) -> Result<RecordBatch, ArrowError> {
        let mut fields = fields();
        fields.push(Field::new("seq", DataType::Int64, false));
        let mut arrays = self.samples.into_arrays();
        arrays.push(Arc::new(Int64Array::from(self.seq)));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}

fn fields() -> Vec<Field> {
    vec![
        Field::new("series_id", DataType::UInt32, false),
        Field::new("timestamp", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("value", DataType::Float64, true),
    ]
}
