use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use serde_json::{Map, Value};

use super::rows::{Pairs, Sink, named};
use crate::ingest::{
    files::{FileError, Place, shorten, table::parse_number},
    stamp,
};

/// Reads one JSON object a line; blank lines are passed over.
pub(super) fn read(path: &Path, text: impl Read, name: Option<&str>, sink: &mut dyn Sink) -> Result<(), FileError> {
    let mut lines = BufReader::with_capacity(1 << 16, text);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|source| FileError::read(path, source))? == 0 {
            return Ok(());
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let reader = Line { path, place: Place::Line(number), name };
        let object: Map<String, Value> = serde_json::from_slice(&line)
            .map_err(|error| reader.wrong(format!("is not a JSON object: {}", without_line(&error))))?;
        if object.contains_key("metric") { reader.export(&object, sink)? } else { reader.row(&object, sink)? }
    }
}

/// The parser counts lines within the line that it gets, which would mislead.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().map_or_else(|| text.clone(), |said| format!("{said} at column {}", error.column()))
}

struct Line<'a> {
    path: &'a Path,
    place: Place,
    name: Option<&'a str>,
}

impl Line<'_> {
    fn wrong(&self, problem: impl Into<String>) -> FileError {
        FileError::row(self.path, self.place, problem)
    }

    fn cell(&self, field: &str, value: &Value, expected: &str) -> FileError {
        FileError::Cell {
            file: self.path.to_owned(),
            place: self.place,
            column: field.to_owned(),
            value: shorten(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            expected: expected.to_owned(),
        }
    }

    fn timestamp(&self, field: &str, value: &Value) -> Result<i64, FileError> {
        let millis = match value {
            Value::Number(number) => number.as_i64().filter(|&millis| stamp::in_range(millis)),
            Value::String(text) => stamp::parse(text),
            _ => None,
        };
        millis.ok_or_else(|| self.cell(field, value, stamp::EXPECTED))
    }

    /// A number; null is NaN, and so is "NaN". Text is taken because JSON has no infinity.
    fn number(&self, field: &str, value: &Value) -> Result<f64, FileError> {
        let number = match value {
            Value::Null => Some(f64::NAN),
            Value::Number(number) => number.as_f64(),
            Value::String(text) => parse_number(text),
            _ => None,
        };
        number.ok_or_else(|| self.cell(field, value, "a number; null when the value is missing"))
    }

    fn field<'o>(&self, object: &'o Map<String, Value>, name: &str) -> Result<&'o Value, FileError> {
        object.get(name).ok_or_else(|| self.wrong(format!("has no field {name:?}")))
    }

    /// `{"series":"cpu","timestamp":…,"value":…}`; further fields are labels.
    fn row(&self, object: &Map<String, Value>, sink: &mut dyn Sink) -> Result<(), FileError> {
        let timestamp_ms = self.timestamp("timestamp", self.field(object, "timestamp")?)?;
        let value = self.number("value", self.field(object, "value")?)?;
        let name = match object.get("series") {
            Some(Value::String(name)) if !name.is_empty() => name.as_str(),
            Some(other) => return Err(self.cell("series", other, "a name")),
            None => self.name.ok_or_else(|| self.wrong("has no field \"series\"; name the series"))?,
        };
        let mut pairs = named(name.into());
        for (field, value) in object {
            match field.as_str() {
                "series" | "timestamp" | "value" => {}
                "incident" => self.flag(value)?,
                _ => self.label(field, value, &mut pairs)?,
            }
        }
        if value.is_nan() { Ok(()) } else { sink.sample(self.place, &pairs, timestamp_ms, value) }
    }

    fn flag(&self, value: &Value) -> Result<(), FileError> {
        match value {
            Value::Bool(_) => Ok(()),
            Value::Number(number) if matches!(number.as_u64(), Some(0 | 1)) => Ok(()),
            other => Err(self.cell("incident", other, "0 or 1")),
        }
    }

    fn label<'o>(&self, field: &'o str, value: &'o Value, pairs: &mut Pairs<'o>) -> Result<(), FileError> {
        let text = match value {
            Value::Null => return Ok(()),
            Value::String(text) => text.as_str().into(),
            Value::Number(number) => number.to_string().into(),
            Value::Bool(truth) => truth.to_string().into(),
            Value::Array(_) | Value::Object(_) => return Err(self.cell(field, value, "text, the value of a label")),
        };
        pairs.push((field.into(), text));
        Ok(())
    }

    /// `{"metric":{"__name__":"up",…},"values":[…],"timestamps":[…]}`, the export form of VictoriaMetrics.
    fn export(&self, object: &Map<String, Value>, sink: &mut dyn Sink) -> Result<(), FileError> {
        let metric = self.field(object, "metric")?;
        let Value::Object(labels) = metric else {
            return Err(self.cell("metric", metric, "an object of labels"));
        };
        let mut pairs: Pairs<'_> = Vec::with_capacity(labels.len());
        for (name, value) in labels {
            self.label(name, value, &mut pairs)?;
        }
        let values = self.array(object, "values")?;
        let timestamps = self.array(object, "timestamps")?;
        if values.len() != timestamps.len() {
            let (values, timestamps) = (values.len(), timestamps.len());
            return Err(self.wrong(format!("has {values} values but {timestamps} timestamps")));
        }
        for (value, timestamp) in values.iter().zip(timestamps) {
            let timestamp_ms = self.timestamp("timestamps", timestamp)?;
            let value = self.number("values", value)?;
            if !value.is_nan() {
                sink.sample(self.place, &pairs, timestamp_ms, value)?;
            }
        }
        Ok(())
    }

    fn array<'o>(&self, object: &'o Map<String, Value>, name: &str) -> Result<&'o [Value], FileError> {
        match self.field(object, name)? {
            Value::Array(values) => Ok(values),
            other => Err(self.cell(name, other, "an array")),
        }
    }
}
