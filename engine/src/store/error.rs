//! Why the store could not do what was asked.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::series::SourceError;

/// Why the store could not do what was asked. Nothing is damaged when one of these is returned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("store {path:?} is in use by another process{holder}; stop it, or ask it with --url")]
    Locked {
        /// The store's file.
        path: PathBuf,
        /// " (process 123)" when it is known, otherwise "".
        holder: String,
    },
    /// The file is no DuckDB database.
    #[error("{path:?} is not an Almanac store: it is not a DuckDB database")]
    NotDuckDb {
        /// The file.
        path: PathBuf,
    },
    /// A DuckDB database, but not one of ours.
    #[error("{path:?} is a DuckDB database but not an Almanac store; nothing was changed in it")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file ends too early or its checksums fail.
    #[error("store {path:?} is damaged or truncated ({detail}); restore it from a copy, it was left as it is")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// The file was written by a newer release.
    #[error("store {path:?} has schema version {found}, this release knows up to {supported}; use a newer almanac")]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Newest version known here.
        supported: u32,
    },
    /// The file or its folder cannot be opened or made.
    #[error("store {path:?} cannot be opened: {detail}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's message, in one line.
        detail: String,
    },
    /// No space is left; nothing of the batch was stored.
    #[error("no space left on the disk of the store ({detail})")]
    DiskFull {
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// A new series would pass the limit; known series are not affected.
    #[error("the store holds {limit} series, its limit; a new series is refused")]
    SeriesLimit {
        /// The limit in force.
        limit: usize,
    },
    /// The queue before the writer is full.
    #[error("the store is busy; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// When the queue should have room again.
        retry_after: Duration,
    },
    /// The columns of a batch differ in length.
    #[error("the columns of a batch differ in length: {series} series, {timestamps} timestamps, {values} values")]
    UnequalColumns {
        /// Length of the series column.
        series: usize,
        /// Length of the timestamp column.
        timestamps: usize,
        /// Length of the value column.
        values: usize,
    },
    /// A series number that this store never gave out.
    #[error("series number {id} is unknown to this store")]
    UnknownSeries {
        /// The number.
        id: u32,
    },
    /// A timestamp outside of what the store can hold (about 292 million years around 1970).
    #[error("timestamp {timestamp_ms} ms is outside the range of the store")]
    TimestampRange {
        /// The timestamp.
        timestamp_ms: i64,
    },
    /// A row that no table can hold.
    #[error("a row of {table} is not valid: {detail}")]
    InvalidRow {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A stored row cannot be read back.
    #[error("table {table} holds a row that cannot be read: {detail}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A deletion without a matcher that restricts it.
    #[error(
        "the selector restricts nothing; name what to delete, such as up{{job=\"api\"}}, or every series with {{__name__=~\".+\"}}"
    )]
    EmptySelector,
    /// A deletion that would take every series, by a pattern that may not have been meant so.
    #[error("the selector matches all {series} series of the store; to delete everything write {{__name__=~\".+\"}}")]
    WholeStore {
        /// How many series there are.
        series: usize,
    },
    /// A query would load more samples than the caller allows.
    #[error("the query would load more than {limit} samples")]
    TooManySamples {
        /// The limit in force.
        limit: usize,
    },
    /// DuckDB gave up after a failure in the middle of its file; what was answered is on disk.
    #[error(
        "the store has stopped ({detail}); open it again once the cause is gone, nothing that was answered is lost"
    )]
    Stopped {
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// The store was closed, or its writer ended.
    #[error("the store is closed")]
    Closed,
    /// DuckDB refused or failed.
    #[error("the store failed to {action}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// DuckDB's error.
        #[source]
        source: Arc<duckdb::Error>,
    },
}

impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooManySamples { limit } => Self::TooManySamples { limit },
            other => Self::Store(Box::new(other)),
        }
    }
}

/// DuckDB's message in one line, without its advice.
pub(super) fn one_line(error: &duckdb::Error) -> String {
    let text = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given").to_owned()
}

/// Whether a message of DuckDB means that the disk, or what the process may use of it, is full.
pub(super) fn is_disk_full(message: &str) -> bool {
    ["No space left on device", "File too large", "Disk quota exceeded", "max_temp_directory_size"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// Whether a message of DuckDB means that it will answer nothing any more until the file is opened again.
fn is_fatal(message: &str) -> bool {
    message.contains("FATAL Error") || message.contains("database has been invalidated")
}

/// Turns DuckDB's errors into ours, saying what was being done.
pub(super) fn failed_to(action: &'static str) -> impl Fn(duckdb::Error) -> StoreError {
    move |source| {
        let detail = one_line(&source);
        if is_fatal(&source.to_string()) {
            StoreError::Stopped { detail }
        } else if is_disk_full(&source.to_string()) {
            StoreError::DiskFull { detail }
        } else {
            StoreError::Database { action, source: Arc::new(source) }
        }
    }
}
