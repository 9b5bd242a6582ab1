//! Readers of the file formats, which return rows as batches, and the detection of the format.

mod builder;
mod container;
mod csv;
mod exported;
mod ndjson;
mod parquet;

use std::path::Path;

pub(crate) use container::{Container, LineReader, TextReader, check_decoded_size, open};

use super::{FileError, batch::Visitor};

/// Format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFormat {
    /// CSV with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// JSON objects.
    Json,
}

/// Reads a table of a known format batch by batch.
pub(crate) fn read(path: &Path, format: TableFormat, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    match format {
        TableFormat::Csv => csv::read(path, TextReader::open(path)?, visitor),
        TableFormat::Parquet => parquet::read(path, visitor),
        TableFormat::Json => ndjson::read(path, visitor),
    }
}

/// Reads a table and detects its format by first bytes and name: CSV (also gzip), JSON or Parquet.
pub(crate) fn read_any(path: &Path, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let (file, container) = open(path)?;
    let is_named = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    match container {
        Container::Parquet if !path.is_file() => {
            Err(FileError::shape(path, "is a pipe; Parquet needs random access, so give a regular file"))
        }
        Container::Parquet => parquet::read(path, visitor),
        _ if is_named("parquet") => Err(FileError::shape(path, "is not a Parquet file: it does not start with PAR1")),
        // `open` has copied a pipe to a temporary file; the pipe cannot be opened again.
        _ if !path.is_file() => csv::read(path, TextReader::of(path, file, container)?, visitor),
        _ if starts_as_json(TextReader::of(path, file, container)?, path)? => ndjson::read(path, visitor),
        _ => csv::read(path, TextReader::open(path)?, visitor),
    }
}

/// Returns whether a text starts like a JSON object or an array of objects, which a CSV header does not.
fn starts_as_json(text: TextReader, path: &Path) -> Result<bool, FileError> {
    use std::io::Read as _;
    let mut head = Vec::new();
    text.take(4096).read_to_end(&mut head).map_err(|source| FileError::read(path, source))?;
    let head = head.trim_ascii_start();
    let rest = head.get(1..).unwrap_or_default().trim_ascii_start();
    Ok(match head.first() {
        Some(b'{') => rest.starts_with(b"\"") || rest.starts_with(b"}"),
        Some(b'[') => rest.starts_with(b"{") || rest.starts_with(b"]"),
        _ => false,
    })
}
