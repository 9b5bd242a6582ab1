//! Reads formats that list all samples of a series together: VictoriaMetrics' export and Prometheus' query response.

use std::{borrow::Cow, io::BufReader, path::Path};

use polars::prelude::{
    Column, Float64Chunked, Int64Chunked, IntoColumn, NewChunkedArray, StringChunkedBuilder, TimeUnit,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    builder::{BATCH_CELLS, batch},
    container::{MAX_RECORD_BYTES, TextReader},
};
use crate::{
    ingest::{
        files::{
            FileError, Place,
            batch::{Nesting, RowPositions, Visitor},
            error::shorten,
        },
        number::{self, Number},
        timestamp::{self, ParsedTimestamp},
    },
    series::{METRIC_NAME, stale_marker},
};

/// Maximum size of a Prometheus response in bytes; it is one JSON document and is read into memory.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// Builder of batches with the columns `series`, `timestamp` and `value`.
pub(super) struct ExportedSeries<'p> {
    path: &'p Path,
    by_line: bool,
    /// Whether the timestamps of the current batch have a known unit; otherwise they are integers whose unit is
    /// detected later.
    exact: bool,
    series: StringChunkedBuilder,
    timestamps: Vec<i64>,
    values: Vec<Option<f64>>,
    places: Vec<u64>,
}

impl<'p> ExportedSeries<'p> {
    pub(super) fn new(path: &'p Path, by_line: bool) -> Self {
        Self {
            path,
            by_line,
            exact: false,
            series: StringChunkedBuilder::new("series".into(), 0),
            timestamps: Vec::new(),
            values: Vec::new(),
            places: Vec::new(),
        }
    }

    fn place(&self, number: u64) -> Place {
        if self.by_line { Place::Line(number) } else { Place::Row(number) }
    }

    fn wrong(&self, number: u64, field: &str, value: &Value, expected: &str) -> FileError {
        FileError::Cell {
            file: self.path.to_owned(),
            place: self.place(number),
            column: field.to_owned(),
            value: shorten(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            expected: expected.to_owned(),
        }
    }

    /// Adds `{"metric":{"__name__":"up",…},"values":[…],"timestamps":[…]}`.
    pub(super) fn push(
        &mut self,
        number: u64,
        object: &Map<String, Value>,
        visitor: &mut dyn Visitor,
    ) -> Result<(), FileError> {
        let array = |name: &str| match object.get(name) {
            Some(Value::Array(values)) => Ok(values.as_slice()),
            Some(other) => Err(self.wrong(number, name, other, "an array")),
            None => Err(FileError::row(self.path, self.place(number), format!("has no field {name:?}"))),
        };
        let metric = object.get("metric").unwrap_or(&Value::Null);
        let Value::Object(labels) = metric else {
            return Err(self.wrong(number, "metric", metric, "an object of labels"));
        };
        let (values, timestamps) = (array("values")?, array("timestamps")?);
        if values.len() != timestamps.len() {
            let problem = format!("has {} values but {} timestamps", values.len(), timestamps.len());
            return Err(FileError::row(self.path, self.place(number), problem));
        }
        let mut pairs = Vec::with_capacity(labels.len());
        for (name, value) in labels {
            match scalar(value) {
                Some(text) => pairs.push((name.as_str(), text)),
                None if value.is_null() => {}
                None => return Err(self.wrong(number, name, value, "text, the value of a label")),
            }
        }
        let series = selector(pairs);
        for (value, timestamp) in values.iter().zip(timestamps) {
            let written = match timestamp {
                Value::Number(count) => {
                    count.as_i64().map(ParsedTimestamp::Integer).or_else(|| timestamp::decimal(count.as_f64()?))
                }
                Value::String(text) => timestamp::read(text),
                _ => None,
            };
            let written = written.ok_or_else(|| self.wrong(number, "timestamps", timestamp, timestamp::EXPECTED))?;
            let parsed = match value {
                Value::Null => Some(None),
                Value::Number(value) => value.as_f64().map(Some),
                Value::String(text) if text == "stale" => Some(Some(stale_marker())),
                Value::String(text) => number_of(text),
                _ => None,
            };
            let expected = "a number; null when the value is missing";
            let parsed = parsed.ok_or_else(|| self.wrong(number, "values", value, expected))?;
            self.sample(number, &series, written, parsed, visitor)?;
        }
        Ok(())
    }

    fn sample(
        &mut self,
        number: u64,
        series: &str,
        written: ParsedTimestamp,
        value: Option<f64>,
        visitor: &mut dyn Visitor,
    ) -> Result<(), FileError> {
        // A batch has timestamps of one kind only, since they are one column.
        let exact = !matches!(written, ParsedTimestamp::Integer(_));
        if exact != self.exact || self.places.len() >= BATCH_CELLS {
            self.flush(visitor)?;
            self.exact = exact;
        }
        self.series.append_value(series);
        self.timestamps.push(written.millis());
        self.values.push(value);
        self.places.push(number);
        Ok(())
    }

    pub(super) fn flush(&mut self, visitor: &mut dyn Visitor) -> Result<(), FileError> {
        if self.places.is_empty() {
            return Ok(());
        }
        let series = std::mem::replace(&mut self.series, StringChunkedBuilder::new("series".into(), 0));
        let timestamps = Int64Chunked::from_vec("timestamp".into(), std::mem::take(&mut self.timestamps));
        let timestamps: Column = if self.exact {
            timestamps.into_datetime(TimeUnit::Milliseconds, None).into_column()
        } else {
            timestamps.into_column()
        };
        let values = Float64Chunked::from_iter_options("value".into(), std::mem::take(&mut self.values).into_iter());
        let columns = vec![series.finish().into_column(), timestamps, values.into_column()];
        let places = std::mem::take(&mut self.places);
        let places = if self.by_line { RowPositions::Lines(places) } else { RowPositions::Numbered(places) };
        visitor.batch(&batch(self.path, columns, vec![Nesting::Scalar; 3], places)?)
    }
}

/// Parses a number in quotes; the inner `None` is a missing value.
fn number_of(text: &str) -> Option<Option<f64>> {
    number::read(text).map(|number| match number {
        Number::Missing => None,
        Number::Value(value) => Some(value),
    })
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(truth.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Formats labels as Prometheus does with quoted names: `{"up","job"="api"}`.
pub(in crate::ingest::files) fn selector<'a>(pairs: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let mut name = None;
    let mut parts = Vec::new();
    for (label, value) in pairs {
        if label == METRIC_NAME {
            name = Some(quoted(&value))
        } else {
            parts.push(format!("{}={}", quoted(label), quoted(&value)))
        }
    }
    let parts: Vec<String> = name.into_iter().chain(parts).collect();
    format!("{{{}}}", parts.join(","))
}

/// Response of Prometheus to a query; other fields are ignored.
#[derive(Deserialize)]
struct QueryResponse {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<ResponseData>,
}

#[derive(Deserialize)]
struct ResponseData {
    #[serde(rename = "resultType")]
    kind: String,
    result: Vec<ResponseSeries>,
}

#[derive(Deserialize)]
struct ResponseSeries {
    #[serde(default)]
    metric: Map<String, Value>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    value: Option<(f64, String)>,
}

/// Reads `{"status":"success","data":{"resultType":"matrix","result":[…]}}`.
pub(super) fn read_response(path: &Path, text: TextReader, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let since_record = text.record_bytes();
    // A response is one record and may exceed the ordinary record limit, up to its own limit.
    let allowed = MAX_RESPONSE_BYTES.saturating_sub(MAX_RECORD_BYTES);
    let reader =
        BufReader::with_capacity(1 << 16, super::container::LargeRecordReader::new(text, since_record, allowed));
    let response: QueryResponse = serde_json::from_reader(reader).map_err(|error| {
        FileError::shape(
            path,
            format!("is not a Prometheus response of at most {} MiB: {error}", MAX_RESPONSE_BYTES >> 20),
        )
    })?;
    let Some(data) = response.data.filter(|_| response.status == "success") else {
        let error = response.error.unwrap_or_else(|| response.status.clone());
        return Err(FileError::shape(path, format!("is a Prometheus response without data: {error}")));
    };
    if !matches!(data.kind.as_str(), "matrix" | "vector") {
        return Err(FileError::shape(
            path,
            format!("is a Prometheus response of type {:?}; run a range query", data.kind),
        ));
    }
    let mut exported = ExportedSeries::new(path, false);
    for (idx, series) in data.result.into_iter().enumerate() {
        let number = idx as u64 + 1;
        let pairs = series.metric.iter().filter_map(|(name, value)| Some((name.as_str(), scalar(value)?)));
        let name = selector(pairs);
        for (seconds, value) in series.values.into_iter().chain(series.value) {
            let value_of = |text: &str| {
                number_of(text).ok_or_else(|| {
                    let problem = format!("value {:?} of the series is not a number", shorten(text));
                    FileError::row(path, Place::Row(number), problem)
                })
            };
            let value = value_of(&value)?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a timestamp that is too large saturates and is rejected"
            )]
            let millis = (seconds * 1000.0).round() as i64;
            if !timestamp::in_range(millis) {
                let problem = format!("timestamp {seconds} of the series is out of range");
                return Err(FileError::row(path, Place::Row(number), problem));
            }
            exported.sample(number, &name, ParsedTimestamp::Instant(millis), value, visitor)?;
        }
    }
    exported.flush(visitor)
}
