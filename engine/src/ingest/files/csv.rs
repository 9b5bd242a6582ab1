use std::{io::Read, path::Path};

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::{
    FileError, Place,
    table::{Cell, Row, Visitor},
};

struct Record<'a>(&'a StringRecord);

impl Row for Record<'_> {
    fn place(&self) -> Place {
        Place::Line(self.0.position().map_or(0, csv::Position::line))
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match self.0.get(column) {
            None | Some("") => Cell::Null,
            Some(text) => Cell::Text(text),
        }
    }
}

/// Reads CSV text with a header, row by row.
pub(crate) fn read(path: &Path, text: impl Read, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let mut reader: Reader<_> = ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(text);
    let header = reader.headers().map_err(|error| explain(path, error))?;
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    for (idx, name) in columns.iter().enumerate() {
        if name.is_empty() && columns.len() > 1 {
            return Err(FileError::row(path, Place::Line(1), format!("column {} of the header has no name", idx + 1)));
        }
        if columns[..idx].contains(name) {
            return Err(FileError::row(path, Place::Line(1), format!("column {name:?} stands twice in the header")));
        }
    }
    visitor.header(&columns)?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| explain(path, error))? {
        visitor.row(&Record(&record))?;
    }
    Ok(())
}

fn explain(path: &Path, error: csv::Error) -> FileError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(source) => FileError::read(path, source),
        ErrorKind::Utf8 { err, .. } => {
            FileError::row(path, Place::Line(line), format!("field {} is not UTF-8 text", err.field() + 1))
        }
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            FileError::row(path, Place::Line(line), format!("has {len} fields, but the header has {expected_len}"))
        }
        other => FileError::row(path, Place::Line(line), format!("is not CSV: {other:?}")),
    }
}
