//! Reads CSV text with a header into batches; the separator is detected from the header.
//!
//! The `csv` crate splits the rows. Polars' reader is not used because it fills short rows with nulls and reports no
//! line numbers.

use std::{
    io::{Cursor, Read},
    path::Path,
};

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::{
    builder::{BATCH_BYTES, BATCH_CELLS, MAX_COLUMNS, TextColumns, too_many_columns},
    container::{RecordBytes, TextReader, explain as explain_read},
};
use crate::ingest::files::{FileError, Place, batch::Visitor};

/// Bytes at the start of a file that are read to detect the separator.
const HEAD_BYTES: u64 = 1 << 16;

/// Supported separators; the first is preferred if two are equally frequent.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Comments of InfluxDB's annotated CSV.
const INFLUX_ANNOTATIONS: [&[u8]; 3] = [b"#group", b"#datatype", b"#default"];

/// Reads CSV text with a header, batch by batch.
pub(crate) fn read(path: &Path, mut text: TextReader, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let since_record = text.record_bytes();
    let mut head = Vec::new();
    (&mut text).take(HEAD_BYTES).read_to_end(&mut head).map_err(|source| FileError::read(path, source))?;
    let dialect = CsvDialect::of(&head);
    let rest = Cursor::new(head).chain(text);
    let mut builder = ReaderBuilder::new();
    builder.buffer_capacity(1 << 16).delimiter(dialect.separator).flexible(true);
    builder.comment(dialect.has_comments.then_some(b'#'));
    let mut source = CsvRecords {
        path,
        reader: builder.has_headers(false).from_reader(rest),
        since_record,
        record: StringRecord::new(),
    };
    if dialect.names_separator {
        source.next(None)?;
    }
    let Some(line) = source.next(None)? else {
        return Err(FileError::shape(path, "has no header"));
    };
    let header: Vec<String> = source.record.iter().map(|name| name.trim().to_owned()).collect();
    let columns = names(path, Place::Line(line), &header)?;
    let mut batch = TextColumns::new(columns);
    let mut seen = false;
    while let Some(line) = source.next(Some(header.len()))? {
        // Concatenated files repeat the header.
        if source.record.iter().map(str::trim).eq(header.iter().map(String::as_str)) {
            continue;
        }
        batch.push(line, source.record.iter().map(|cell| (!cell.is_empty()).then_some(cell)));
        if batch.cells() >= BATCH_CELLS || batch.bytes() >= BATCH_BYTES {
            visitor.batch(&batch.take(path)?)?;
            seen = true;
        }
    }
    if batch.cells() > 0 || !seen {
        visitor.batch(&batch.take(path)?)?;
    }
    Ok(())
}

/// Detected properties of a CSV file.
struct CsvDialect {
    separator: u8,
    /// Whether the first line is `sep=;`, Excel's hint.
    names_separator: bool,
    /// Whether lines that start with `#` are comments.
    has_comments: bool,
}

impl CsvDialect {
    fn of(head: &[u8]) -> Self {
        let first = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
        let first = first.unwrap_or_default();
        if let Some(&separator) = first.strip_prefix(b"sep=").and_then(<[u8]>::first) {
            return Self { separator, names_separator: true, has_comments: false };
        }
        // In other files `#` may be part of the first column's name.
        let has_comments = INFLUX_ANNOTATIONS.iter().any(|word| first.starts_with(word)) || first.starts_with(b"# ");
        let header = if has_comments {
            head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#"))
        } else {
            Some(first)
        };
        let mut counts = [0_usize; SEPARATORS.len()];
        let mut quoted = false;
        for &byte in header.unwrap_or_default() {
            quoted ^= byte == b'"';
            if let Some(idx) = SEPARATORS.iter().position(|&separator| separator == byte && !quoted) {
                counts[idx] += 1;
            }
        }
        let best = (0..SEPARATORS.len()).rev().max_by_key(|&idx| counts[idx]).unwrap_or_default();
        Self { separator: SEPARATORS[best], names_separator: false, has_comments }
    }
}

/// Checks the column names: only the first may be empty, and none may repeat.
fn names(path: &Path, place: Place, header: &[String]) -> Result<Vec<String>, FileError> {
    if header.len() > MAX_COLUMNS {
        return Err(too_many_columns(path, place, header.len()));
    }
    let mut seen = hashbrown::HashSet::with_capacity(header.len());
    for (idx, name) in header.iter().enumerate() {
        // pandas and R write the index as the first column, with an empty name.
        if name.is_empty() && idx > 0 {
            return Err(FileError::row(path, place, format!("column {} of the header has no name", idx + 1)));
        }
        if !seen.insert(name) {
            return Err(FileError::row(path, place, format!("duplicate column {name:?} in the header")));
        }
    }
    Ok(header.to_vec())
}

/// Reader of a file's records.
struct CsvRecords<'a, R> {
    path: &'a Path,
    reader: Reader<R>,
    since_record: RecordBytes,
    record: StringRecord,
}

impl<R: Read> CsvRecords<'_, R> {
    /// Reads the next record and returns its line; `None` at the end. `columns`: the expected number of fields.
    fn next(&mut self, columns: Option<usize>) -> Result<Option<u64>, FileError> {
        self.since_record.set(0);
        let before = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                match columns {
                    Some(expected) if expected != self.record.len() => Err(self.ragged(line, expected)),
                    _ => Ok(Some(line)),
                }
            }
            Err(error) => Err(explain(self.path, before, error)),
        }
    }

    fn ragged(&self, line: u64, expected: usize) -> FileError {
        let problem = format!("has {} fields, but the header has {expected}", self.record.len());
        let hint = if self.record.iter().any(|cell| cell.contains('\n')) { " (unclosed quote?)" } else { "" };
        FileError::row(self.path, Place::Line(line), format!("{problem}{hint}"))
    }
}

fn explain(path: &Path, before: u64, error: csv::Error) -> FileError {
    let line = error.position().map_or(before, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(source) => explain_read(path, Place::Line(before), source),
        ErrorKind::Utf8 { err, .. } => {
            let problem = format!("field {} is not UTF-8 text; save the file as UTF-8", err.field() + 1);
            FileError::row(path, Place::Line(line), problem)
        }
        other => FileError::row(path, Place::Line(line), format!("is not CSV: {other:?}")),
    }
}
