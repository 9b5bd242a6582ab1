/// Why the embedded recording could not be read.
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
        /// What DuckDB says.
        #[source]
        source: duckdb::Error,
    },
    /// The manifest has another form.
    #[error("the manifest of the recording could not be read")]
    Manifest(#[from] serde_json::Error),
    /// A text in the recording is not what it should be.
    #[error("{text:?} in the recording is no {what}")]
    Text {
        /// The text.
        text: String,
        /// What was expected.
        what: &'static str,
    },
}
