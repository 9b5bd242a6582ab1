//! Builds batches from rows of text.

use std::path::Path;

use polars::prelude::{Column, DataFrame, IntoColumn, StringChunkedBuilder};

use crate::ingest::files::{
    FileError, Place,
    batch::{Batch, Nesting, RowPositions},
};

/// Number of values at which a batch is complete: large enough to amortise the cost of a frame, and small for a wide
/// file.
pub(super) const BATCH_CELLS: usize = 1 << 18;

/// Bytes of text at which a batch is complete.
pub(super) const BATCH_BYTES: usize = 16 << 20;

/// Maximum number of columns of a file, and of fields of a JSON object: each takes some hundred bytes in every batch.
pub(super) const MAX_COLUMNS: usize = 10_000;

/// Returns the error for a header or an object with too many columns.
pub(super) fn too_many_columns(path: &Path, place: Place, columns: usize) -> FileError {
    let problem = format!(
        "has {columns} columns, at most {MAX_COLUMNS} are read; write one sample per line with the columns series, \
         timestamp and value"
    );
    FileError::row(path, place, problem)
}

/// Builder of a batch with fixed columns of text.
pub(super) struct TextColumns {
    names: Vec<String>,
    columns: Vec<StringChunkedBuilder>,
    lines: Vec<u64>,
    cells: usize,
    bytes: usize,
}

impl TextColumns {
    pub(super) fn new(names: Vec<String>) -> Self {
        let columns = builders(&names);
        Self { names, columns, lines: Vec::new(), cells: 0, bytes: 0 }
    }

    /// Returns the number of values since the last batch.
    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    /// Returns the bytes of text since the last batch.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row with one cell per column.
    pub(super) fn push<'a>(&mut self, line: u64, row: impl Iterator<Item = Option<&'a str>>) {
        for (column, cell) in self.columns.iter_mut().zip(row) {
            column.append_option(cell);
            self.bytes += cell.map_or(0, str::len);
        }
        self.cells += self.columns.len().max(1);
        self.lines.push(line);
    }

    /// Returns the rows since the last batch and starts a new one.
    pub(super) fn take(&mut self, path: &Path) -> Result<Batch, FileError> {
        let columns = std::mem::replace(&mut self.columns, builders(&self.names));
        let lines = std::mem::take(&mut self.lines);
        (self.cells, self.bytes) = (0, 0);
        let columns: Vec<Column> = columns.into_iter().map(|column| column.finish().into_column()).collect();
        let nesting = vec![Nesting::Scalar; columns.len()];
        batch(path, columns, nesting, RowPositions::Lines(lines))
    }
}

fn builders(names: &[String]) -> Vec<StringChunkedBuilder> {
    names.iter().map(|name| StringChunkedBuilder::new(name.as_str().into(), 0)).collect()
}

/// Builds a batch from columns.
pub(super) fn batch(
    path: &Path,
    columns: Vec<Column>,
    nesting: Vec<Nesting>,
    places: RowPositions,
) -> Result<Batch, FileError> {
    let frame = DataFrame::new_infer_height(columns).map_err(|error| FileError::frame(path, &error))?;
    Ok(Batch { frame, nesting, places })
}
