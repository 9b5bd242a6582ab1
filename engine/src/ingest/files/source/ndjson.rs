//! Reads JSON into batches: one object per line, an array of objects, VictoriaMetrics' export or Prometheus' response.

use std::{
    io::{BufReader, Read},
    path::Path,
};

use hashbrown::HashMap;
use polars::prelude::{IntoColumn, StringChunkedBuilder};
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor as JsonVisitor},
};
use serde_json::{Map, Value};

use super::{
    builder::{BATCH_BYTES, BATCH_CELLS, MAX_COLUMNS, batch, too_many_columns},
    container::{LineReader, RecordBytes, TextReader},
    exported::{ExportedSeries, read_response},
};
use crate::ingest::files::{
    FileError, Place,
    batch::{Nesting, RowPositions, Visitor},
};

/// Bytes at the start of a text that are read to detect its form.
const HEAD_BYTES: u64 = 4096;

/// Reads JSON text batch by batch.
pub(crate) fn read(path: &Path, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let mut head = Vec::new();
    TextReader::open(path)?.take(HEAD_BYTES).read_to_end(&mut head).map_err(|source| FileError::read(path, source))?;
    let head = head.trim_ascii_start();
    let text = TextReader::open(path)?;
    if head.starts_with(b"[") {
        return read_array(path, text, visitor);
    }
    let contains = |needle: &[u8]| head.windows(needle.len()).any(|window| window == needle);
    if contains(b"\"resultType\"") && contains(b"\"data\"") {
        return read_response(path, text, visitor);
    }
    read_lines(path, text, visitor)
}

fn read_lines(path: &Path, text: TextReader, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let mut lines = LineReader::new(path, text);
    let mut rows = RowCollector::new(path, true);
    while let Some((number, line)) = lines.next()? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        rows.push(number, parse(path, number, line)?, line.len(), visitor)?;
    }
    rows.finish(visitor)
}

fn parse(path: &Path, number: u64, line: &[u8]) -> Result<Map<String, Value>, FileError> {
    let wrong = |error: &serde_json::Error| {
        let problem = format!("is not a JSON object: {}", without_line(error));
        FileError::row(path, Place::Line(number), problem)
    };
    match serde_json::from_slice(line) {
        Ok(object) => Ok(object),
        // Python and other programs write NaN and Infinity without quotes, which is not valid JSON.
        Err(error) => match quote_bare(line) {
            Some(quoted) => serde_json::from_slice(&quoted).map_err(|_| wrong(&error)),
            None => Err(wrong(&error)),
        },
    }
}

/// Returns the parser's message without its line number, which counts within the line passed to it.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ")
        .next()
        .map_or_else(|| text.clone(), |message| format!("{message} at column {}", error.column()))
}

/// Quotes `NaN`, `Infinity` and their variants outside strings; `None` if there are none.
fn quote_bare(line: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 8] = [b"-Infinity", b"+Infinity", b"Infinity", b"-Inf", b"+Inf", b"Inf", b"NaN", b"nan"];
    let (mut out, mut at, mut in_string, mut changed) = (Vec::with_capacity(line.len() + 8), 0, false, false);
    while let Some(&byte) = line.get(at) {
        // An escape inside a string is copied whole, so that `\"` does not end it.
        if in_string && byte == b'\\' {
            out.extend_from_slice(line.get(at..at + 2)?);
            at += 2;
            continue;
        }
        in_string ^= byte == b'"';
        let word = WORDS.iter().find(|word| !in_string && line[at..].starts_with(word));
        match word {
            Some(word) => {
                out.push(b'"');
                out.extend_from_slice(word);
                out.push(b'"');
                at += word.len();
                changed = true;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

fn read_array(path: &Path, text: TextReader, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let since_record = text.record_bytes();
    let mut rows = RowCollector::new(path, false);
    let mut failed = None;
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, text));
    let elements = ArrayElements { path, since_record, rows: &mut rows, visitor, failed: &mut failed };
    let read = elements.deserialize(&mut reader).and_then(|()| reader.end());
    if let Some(error) = failed {
        return Err(error);
    }
    read.map_err(|error| match error.io_error_kind() {
        Some(_) => FileError::shape(path, format!("is not a JSON array of small objects: {error}")),
        None => {
            let (line, column) = (error.line() as u64, error.column());
            FileError::row(path, Place::Line(line), format!("column {column} is not JSON: {}", without_line(&error)))
        }
    })?;
    rows.finish(visitor)
}

/// Visitor that processes the objects of an array one by one, so that a large array is never in memory.
struct ArrayElements<'a, 'p> {
    path: &'p Path,
    since_record: RecordBytes,
    rows: &'a mut RowCollector<'p>,
    visitor: &'a mut dyn Visitor,
    failed: &'a mut Option<FileError>,
}

impl<'de> DeserializeSeed<'de> for ArrayElements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> JsonVisitor<'de> for ArrayElements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut number = 0;
        loop {
            self.since_record.set(0);
            let Some(element) = elements.next_element::<Value>()? else { return Ok(()) };
            number += 1;
            let bytes = self.since_record.get().max(1);
            let pushed = match element {
                Value::Object(object) => self.rows.push(number, object, bytes, self.visitor),
                other => {
                    let shown = super::super::error::shorten(&other.to_string());
                    let problem = format!("{shown} is not a JSON object; write one object per sample");
                    Err(FileError::row(self.path, Place::Row(number), problem))
                }
            };
            if let Err(error) = pushed {
                *self.failed = Some(error);
                return Err(de::Error::custom("invalid element"));
            }
        }
    }
}

/// Builder of batches from objects, whose fields may differ.
struct RowCollector<'p> {
    path: &'p Path,
    by_line: bool,
    names: HashMap<String, usize>,
    columns: Vec<(String, StringChunkedBuilder, Nesting, usize)>,
    places: Vec<u64>,
    cells: usize,
    bytes: usize,
    exported: ExportedSeries<'p>,
    seen: bool,
}

impl<'p> RowCollector<'p> {
    fn new(path: &'p Path, by_line: bool) -> Self {
        Self {
            path,
            by_line,
            names: HashMap::new(),
            columns: Vec::new(),
            places: Vec::new(),
            cells: 0,
            bytes: 0,
            exported: ExportedSeries::new(path, by_line),
            seen: false,
        }
    }

    fn push(
        &mut self,
        number: u64,
        object: Map<String, Value>,
        bytes: usize,
        visitor: &mut dyn Visitor,
    ) -> Result<(), FileError> {
        self.seen = true;
        if object.contains_key("metric") && object.contains_key("timestamps") {
            self.flush(visitor)?;
            return self.exported.push(number, &object, visitor);
        }
        self.exported.flush(visitor)?;
        if object.len() > MAX_COLUMNS {
            let place = if self.by_line { Place::Line(number) } else { Place::Row(number) };
            return Err(too_many_columns(self.path, place, object.len()));
        }
        // Objects with ever different fields: a batch has a bounded number of columns.
        if self.columns.len() + object.len() > 2 * MAX_COLUMNS {
            self.flush(visitor)?;
        }
        let row = self.places.len();
        for (name, value) in object {
            let (text, nesting) = match value {
                Value::Null => (None, Nesting::Scalar),
                Value::String(text) => (Some(text), Nesting::Scalar),
                Value::Array(_) => (Some(value.to_string()), Nesting::List),
                Value::Object(_) => (Some(value.to_string()), Nesting::Object),
                Value::Bool(_) | Value::Number(_) => (Some(value.to_string()), Nesting::Scalar),
            };
            let idx = *self.names.entry_ref(name.as_str()).or_insert_with(|| {
                let builder = StringChunkedBuilder::new(name.as_str().into(), 0);
                self.columns.push((name.clone(), builder, Nesting::Scalar, 0));
                self.columns.len() - 1
            });
            let (_, builder, kept, rows) = &mut self.columns[idx];
            // A field that earlier objects lack is null in them.
            (*rows..row).for_each(|_| builder.append_null());
            builder.append_option(text.as_deref());
            *rows = row + 1;
            if nesting != Nesting::Scalar {
                *kept = nesting;
            }
        }
        self.places.push(number);
        self.cells += self.columns.len().max(1);
        self.bytes += bytes;
        if self.cells >= BATCH_CELLS || self.bytes >= BATCH_BYTES { self.flush(visitor) } else { Ok(()) }
    }

    fn flush(&mut self, visitor: &mut dyn Visitor) -> Result<(), FileError> {
        if self.places.is_empty() {
            return Ok(());
        }
        let places = std::mem::take(&mut self.places);
        let (mut columns, mut nesting) = (Vec::new(), Vec::new());
        for (_, mut builder, kept, rows) in std::mem::take(&mut self.columns) {
            (rows..places.len()).for_each(|_| builder.append_null());
            columns.push(builder.finish().into_column());
            nesting.push(kept);
        }
        self.names.clear();
        (self.cells, self.bytes) = (0, 0);
        let places = if self.by_line { RowPositions::Lines(places) } else { RowPositions::Numbered(places) };
        visitor.batch(&batch(self.path, columns, nesting, places)?)
    }

    fn finish(&mut self, visitor: &mut dyn Visitor) -> Result<(), FileError> {
        if !self.seen {
            return Err(FileError::shape(self.path, "contains no JSON objects"));
        }
        self.flush(visitor)?;
        self.exported.flush(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_get_quotes_outside_of_strings_only() {
        let check = |line: &str, expected: Option<&str>| {
            let quoted = quote_bare(line.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(quoted.as_deref(), expected, "{line}");
        };
        check(r#"{"a":NaN,"b":-Infinity}"#, Some(r#"{"a":"NaN","b":"-Infinity"}"#));
        check(r#"{"a":"NaN"}"#, None);
        check(r#"{"a\"NaN":Inf}"#, Some(r#"{"a\"NaN":"Inf"}"#));
        check(r#"{"a":1}"#, None);
    }
}
