//! Collects rows of text into batches.

use std::path::Path;

use polars::prelude::{Column, DataFrame, IntoColumn, StringChunkedBuilder};

use crate::ingest::files::{
    FileError,
    batch::{Batch, Nesting, Places},
};

/// Most values of a batch: enough that the work on a frame pays, few enough that a wide file stays small in memory.
pub(super) const BATCH_CELLS: usize = 1 << 18;

/// Most bytes of text of a batch.
pub(super) const BATCH_BYTES: usize = 16 << 20;

/// Columns of text whose names are known.
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

    /// Values since the last batch.
    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    /// Bytes of text since the last batch.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row with one cell for each column.
    pub(super) fn push<'a>(&mut self, line: u64, row: impl Iterator<Item = Option<&'a str>>) {
        for (column, cell) in self.columns.iter_mut().zip(row) {
            column.append_option(cell);
            self.bytes += cell.map_or(0, str::len);
        }
        self.cells += self.columns.len().max(1);
        self.lines.push(line);
    }

    /// The rows since the last batch.
    pub(super) fn take(&mut self, path: &Path) -> Result<Batch, FileError> {
        let columns = std::mem::replace(&mut self.columns, builders(&self.names));
        let lines = std::mem::take(&mut self.lines);
        (self.cells, self.bytes) = (0, 0);
        let columns: Vec<Column> = columns.into_iter().map(|column| column.finish().into_column()).collect();
        let nesting = vec![Nesting::Scalar; columns.len()];
        batch(path, columns, nesting, Places::Lines(lines))
    }
}

fn builders(names: &[String]) -> Vec<StringChunkedBuilder> {
    names.iter().map(|name| StringChunkedBuilder::new(name.as_str().into(), 0)).collect()
}

/// A batch of these columns.
pub(super) fn batch(
    path: &Path,
    columns: Vec<Column>,
    nesting: Vec<Nesting>,
    places: Places,
) -> Result<Batch, FileError> {
    let frame = DataFrame::new_infer_height(columns).map_err(|error| FileError::frame(path, &error))?;
    Ok(Batch { frame, nesting, places })
}
