//! Why a file could not be read, in one line.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Where in a file something is wrong: a line of text, or a row of a Parquet file; both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file, the header being line 1.
    Line(u64),
    /// A row of a file without lines.
    Row(u64),
}

impl Place {
    /// The number alone.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Line(number) | Self::Row(number) => number,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Why a file of samples or events could not be read; one line that names file, line, column and value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be opened or read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The file as a whole is not what it should be.
    #[error("{}: {problem}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A line or row as a whole is wrong.
    #[error("{}, {place}: {problem}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line or row.
        place: Place,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// One value is wrong.
    #[error("{}, {place}, column {column:?}: {value:?} is not {expected}", file.display())]
    Cell {
        /// The file.
        file: PathBuf,
        /// The line or row.
        place: Place,
        /// The column's name.
        column: String,
        /// The value as the file has it, shortened when long.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// DuckDB cannot read the Parquet file.
    #[error("{}: not a readable Parquet file: {problem}", file.display())]
    Parquet {
        /// The file.
        file: PathBuf,
        /// The first line of what DuckDB says.
        problem: String,
    },
}

impl FileError {
    pub(crate) fn read(file: &Path, source: io::Error) -> Self {
        Self::Read { file: file.to_owned(), source }
    }

    pub(crate) fn shape(file: &Path, problem: impl Into<String>) -> Self {
        Self::Shape { file: file.to_owned(), problem: problem.into() }
    }

    pub(crate) fn row(file: &Path, place: Place, problem: impl Into<String>) -> Self {
        Self::Row { file: file.to_owned(), place, problem: problem.into() }
    }

    /// A frame could not be built or reshaped: a fault of this program, named with the file that showed it.
    pub(crate) fn frame(file: &Path, source: &polars::prelude::PolarsError) -> Self {
        let text = source.to_string();
        Self::shape(file, format!("cannot be reshaped: {}", text.lines().next().unwrap_or_default()))
    }

    /// DuckDB's messages have several lines and a class in front; the first line says it.
    pub(crate) fn parquet(file: &Path, source: &duckdb::Error) -> Self {
        let text = source.to_string();
        Self::Parquet { file: file.to_owned(), problem: text.lines().next().unwrap_or_default().to_owned() }
    }
}

/// The first 60 characters of a value, for messages.
pub(crate) fn shorten(value: &str) -> String {
    match value.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// The error that a table lacks a column, with those that it has.
pub(crate) fn missing_column(path: &Path, names: &[&str], wanted: &str) -> FileError {
    let mut shown: Vec<String> = names.iter().take(20).map(|name| format!("{:?}", shorten(name))).collect();
    if names.len() > shown.len() {
        shown.push(format!("{} more", names.len() - shown.len()));
    }
    FileError::shape(path, format!("has no column {wanted:?}; its columns are {}", shown.join(", ")))
}
