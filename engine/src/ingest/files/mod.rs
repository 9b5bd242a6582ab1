//! Readers of files of samples and of cache events: CSV with a header, Parquet or JSON.
//!
//! ```text
//! source ─► batch ─► layout ─► long ─► series, import     (samples)
//!                └─► events                               (cache events)
//! ```
//!
//! `source` reads a format as batches: polars frames with the position of each row. `layout` assigns a role to each
//! column. `long` reshapes a batch to one row per sample, grouped by series. `series` and `events` collect the result
//! in memory; an import keeps one batch in memory. Every error is one line that names the file, the line, the column
//! and the value.

mod batch;
mod error;
mod events;
mod layout;
mod long;
mod series;
mod source;

#[cfg(test)]
mod tests;

pub use error::{FileError, Place};
pub use events::read_event_file;
pub use series::{FileSeries, SeriesFile, UNNAMED_SERIES, read_labelled_series_file, read_series_file};

pub(in crate::ingest) use batch::{Batch, Nesting, Visitor};
pub(crate) use error::shorten;
pub(in crate::ingest) use layout::{SeriesName, ValueColumns};
pub(in crate::ingest) use long::{Reshaper, SeriesRun};
pub(in crate::ingest) use series::{check_unit, seconds_note};
pub(in crate::ingest) use source::{
    Container, LineReader, TableFormat, TextReader, check_decoded_size, open, read as read_table,
};
