//! Errors of the loaders.

use std::path::PathBuf;

/// Reason why a public set could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No directory was given.
    #[error("no data directory: give one by flag or in {variable}")]
    NoDirectory {
        /// Environment variable that may hold the path.
        variable: &'static str,
    },
    /// The path is not a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// Given path.
        path: PathBuf,
    },
    /// A set's file does not exist.
    #[error("{} does not exist; it should contain {what}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// Expected contents.
        what: &'static str,
    },
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A table could not be read, or its columns differ from the expected ones.
    #[error("{} could not be read as a table", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// Error of DuckDB.
        #[source]
        source: duckdb::Error,
    },
    /// A JSON file does not have the expected structure.
    #[error("{} has an unexpected form", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Error of the JSON parser.
        #[source]
        source: serde_json::Error,
    },
    /// A value is not valid for the set.
    #[error("{}: {value:?} is not a valid {what}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The invalid value.
        value: String,
        /// Expected kind of value.
        what: &'static str,
    },
}
