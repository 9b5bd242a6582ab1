//! Errors of an export.

use std::path::PathBuf;

use crate::series::SourceError;

/// Reason why samples could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The folder has files already.
    #[error("{folder:?} is not empty; give a new or an empty folder")]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or the folder cannot be written.
    #[error("{path:?} cannot be written: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        #[source]
        source: std::io::Error,
    },
    /// DuckDB could not write a Parquet file.
    #[error("{path:?} cannot be written: {source}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Error of DuckDB.
        #[source]
        source: duckdb::Error,
    },
    /// The samples could not be read.
    #[error(transparent)]
    Read(#[from] SourceError),
    /// A line of a service is no series.
    #[error("line {number} of the service is no series: {detail}")]
    Line {
        /// Number of the line.
        number: u64,
        /// What is wrong.
        detail: String,
    },
}
