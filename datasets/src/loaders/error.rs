use std::path::PathBuf;

/// Why a public set could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No directory was given.
    #[error("no data directory: give one by flag or in {variable}")]
    NoDirectory {
        /// The environment variable that can name it.
        variable: &'static str,
    },
    /// The directory is none.
    #[error("{} is no directory", path.display())]
    NotADirectory {
        /// The path given.
        path: PathBuf,
    },
    /// A set's file is absent.
    #[error("{} is absent; it holds {what}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A table could not be read, or its columns are others.
    #[error("{} could not be read as a table", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What DuckDB says.
        #[source]
        source: duckdb::Error,
    },
    /// A JSON file has another form.
    #[error("{} has an unexpected form", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A value is none that the set can have.
    #[error("{}: {value:?} is no {what}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The value.
        value: String,
        /// What was expected.
        what: &'static str,
    },
}
