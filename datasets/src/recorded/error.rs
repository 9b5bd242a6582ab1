//! Errors of reading the embedded recording.

/// Reason why the embedded recording could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A temporary file could not be written; DuckDB reads Parquet from files only.
    #[error("a temporary file for the recording could not be written")]
    Temporary(#[from] std::io::Error),
    /// DuckDB could not read a file of the recording.
    #[error("{file} of the recording could not be read")]
    Table {
        /// The file.
        file: &'static str,
        /// Error of DuckDB.
        #[source]
        source: duckdb::Error,
    },
    /// A file has no row.
    #[error("{file} of the recording is empty")]
    Empty {
        /// The file.
        file: &'static str,
    },
    /// The manifest does not have the expected structure.
    #[error("the manifest of the recording could not be read")]
    Manifest(#[from] serde_json::Error),
    /// A text in the recording is invalid.
    #[error("{text:?} in the recording is not a valid {what}")]
    Text {
        /// The invalid text.
        text: String,
        /// Expected kind of text.
        what: &'static str,
    },
}
