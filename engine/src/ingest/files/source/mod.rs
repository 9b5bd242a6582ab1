//! Readers of each format that bring a file's rows as batches.

mod builder;
mod container;
mod csv;
mod exported;
mod ndjson;
mod parquet;

use std::path::Path;

pub(crate) use container::{Container, Lines, Text, open};

use super::{FileError, batch::Visitor};

/// How the rows of a table are written.
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
        TableFormat::Csv => csv::read(path, Text::open(path)?, visitor),
        TableFormat::Parquet => parquet::read(path, visitor),
        TableFormat::Json => ndjson::read(path, visitor),
    }
}

/// Reads a table whose first bytes and name tell its format: CSV (gzip too), JSON or Parquet.
pub(crate) fn read_any(path: &Path, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let (file, container) = open(path)?;
    let is_named = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    match container {
        Container::Parquet if !path.is_file() => {
            Err(FileError::shape(path, "is a pipe; Parquet is read here and there, so name a file"))
        }
        Container::Parquet => parquet::read(path, visitor),
        _ if is_named("parquet") => Err(FileError::shape(path, "is not a Parquet file: it does not begin with PAR1")),
        // A pipe was read to its end by `open`: it cannot be opened again.
        _ if !path.is_file() => csv::read(path, Text::of(path, file, container)?, visitor),
        _ if starts_as_json(Text::of(path, file, container)?, path)? => ndjson::read(path, visitor),
        _ => csv::read(path, Text::open(path)?, visitor),
    }
}

/// Whether the first character of a text opens a JSON array or object; a header of CSV begins otherwise.
fn starts_as_json(text: Text, path: &Path) -> Result<bool, FileError> {
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
