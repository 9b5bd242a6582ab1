//! Files of samples and of cache events: CSV with a header, or Parquet.
//!
//! Every error is one line that names the file, the line, the column and the value.

mod csv;
mod error;
mod events;
mod parquet;
mod series;
pub(in crate::ingest) mod table;

#[cfg(test)]
mod tests;

pub use error::{FileError, Place};
pub use events::read_event_file;
pub use series::{FileSeries, SeriesFile, UNNAMED_SERIES, read_labelled_series_file, read_series_file};

pub(crate) use error::shorten;
pub(in crate::ingest) use series::SeriesColumns;
