//! Files of samples and of cache events: CSV with a header, Parquet or JSON.
//!
//! Each format brings its rows as batches, polars frames with the place of each row in the file (`source`, `batch`).
//! A layout decides what the columns are (`layout`), the batch is brought into long form and grouped by series
//! (`long`), and the result is collected (`series`, `events`) or imported. Memory holds one batch of an import.
//! Every error is one line that names the file, the line, the column and the value.

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
pub(in crate::ingest) use layout::{SeriesName, Values};
pub(in crate::ingest) use long::{Reshaper, Run};
pub(in crate::ingest) use series::{check_unit, seconds_note};
pub(in crate::ingest) use source::{Container, Lines, TableFormat, Text, open, read as read_table};
