//! Errors of reading files of samples and events; each message is one line.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Position in a file: a line of text, or a row of a Parquet file; both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Line of a text file; the header is line 1.
    Line(u64),
    /// Row of a file without lines.
    Row(u64),
}

impl Place {
    /// Returns the number without its unit.
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

/// Error of reading a file of samples or events; one line that names file, line, column and value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be opened or read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file as a whole is invalid.
    #[error("{}: {problem}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// Description of the defect and of the expected form.
        problem: String,
    },
    /// A line or row as a whole is invalid.
    #[error("{}, {place}: {problem}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line or row.
        place: Place,
        /// Description of the defect and of the expected form.
        problem: String,
    },
    /// One value is invalid.
    #[error("{}, {place}, column {column:?}: {value:?} is not {expected}", file.display())]
    Cell {
        /// The file.
        file: PathBuf,
        /// The line or row.
        place: Place,
        /// Name of the column.
        column: String,
        /// Value as in the file, shortened if long.
        value: String,
        /// Description of a valid value.
        expected: String,
    },
    /// The file is much larger after decompression than its size explains.
    #[error(
        "{}: has more than {limit} bytes after decompression, {MAX_EXPANSION} times its size; send it uncompressed or in \
         parts, or raise ingest.max_decoded in the configuration",
        file.display()
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Limit in bytes.
        limit: u64,
    },
    /// DuckDB cannot read the Parquet file.
    #[error("{}: not a readable Parquet file: {problem}", file.display())]
    Parquet {
        /// The file.
        file: PathBuf,
        /// First line of DuckDB's message.
        problem: String,
    },
}

/// Largest ratio of the decompressed to the compressed size of a file that is larger than the limit of decompressed
/// bodies. Gzip compresses real series 5 to 40 times, and a file made to fill memory or time 1,000 times.
pub(super) const MAX_EXPANSION: u64 = 100;

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

    /// Returns the error for a failed operation on a frame: a defect of this program, reported with the file that
    /// caused it.
    pub(crate) fn frame(file: &Path, source: &polars::prelude::PolarsError) -> Self {
        let text = source.to_string();
        Self::shape(file, format!("cannot be reshaped: {}", text.lines().next().unwrap_or_default()))
    }

    /// Returns the error for a Parquet file that DuckDB rejects, with the first line of its message.
    pub(crate) fn parquet(file: &Path, source: &duckdb::Error) -> Self {
        let text = source.to_string();
        Self::Parquet { file: file.to_owned(), problem: text.lines().next().unwrap_or_default().to_owned() }
    }
}

/// Returns the first 60 characters of a value, for messages; control characters, such as line feeds, are replaced.
pub(crate) fn shorten(value: &str) -> String {
    let (value, end) = match value.char_indices().nth(60) {
        Some((end, _)) => (&value[..end], "…"),
        None => (value, ""),
    };
    format!("{}{end}", value.replace(|letter: char| letter.is_control(), "\u{fffd}"))
}

/// Returns the error for a missing column, with a list of the existing ones.
pub(crate) fn missing_column(path: &Path, names: &[&str], wanted: &str) -> FileError {
    let mut shown: Vec<String> = names.iter().take(20).map(|name| format!("{:?}", shorten(name))).collect();
    if names.len() > shown.len() {
        shown.push(format!("{} more", names.len() - shown.len()));
    }
    FileError::shape(path, format!("has no column {wanted:?}; its columns are {}", shown.join(", ")))
}
