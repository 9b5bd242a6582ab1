//! Errors of the store, and the translation of DuckDB's messages into them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::series::SourceError;

/// Error of an operation on the store. The file is intact after each of them.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("store {path:?} is in use by another process{holder}; stop it, or query it with --url")]
    Locked {
        /// The store's file.
        path: PathBuf,
        /// " (process 123)", or "" when the system does not report it.
        holder: String,
    },
    /// The file is not a DuckDB database.
    #[error("{path:?} is not an Almanac store: not a DuckDB database")]
    NotDuckDb {
        /// The file.
        path: PathBuf,
    },
    /// The file is a DuckDB database, but not an Almanac store.
    #[error("{path:?} is a DuckDB database but not an Almanac store; the file was not changed")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file ends too early or its checksums fail.
    #[error(
        "store {path:?} is damaged or truncated ({detail}); restore a backup, or save what is sound with almanac repair; \
         the file was not changed"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// No part of a damaged file can be saved.
    #[error("nothing can be saved of {}: {detail}; restore a backup", path.display())]
    Unrepairable {
        /// The file.
        path: PathBuf,
        /// Why, in one line.
        detail: String,
    },
    /// The file was written by a newer release.
    #[error(
        "store {path:?} has schema version {found}, but this release supports up to {supported}; use a newer almanac"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Newest version that this release supports.
        supported: u32,
    },
    /// The file or its folder cannot be opened or created.
    #[error("cannot open store {path:?}: {detail}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Message of the operating system or of DuckDB, in one line.
        detail: String,
    },
    /// A file that is to be created is there.
    #[error("{} exists already; {advice}", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// The disk is full. No part of the batch was stored.
    #[error("no space left on the disk of the store ({detail})")]
    DiskFull {
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// The file system takes no writes, as after an error of its disk. No part of the batch was stored.
    #[error("the disk of the store takes no writes ({detail})")]
    ReadOnly {
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// A new series would exceed the limit. Registered series are not affected.
    #[error("the store has reached its limit of {limit} series; new series are rejected")]
    SeriesLimit {
        /// Limit.
        limit: usize,
    },
    /// The names and values of a new series would exceed the limit of all labels. Registered series are not affected.
    #[error(
        "the distinct names and values of the store's labels have reached their limit of {} MiB; new series with further \
         ones are rejected",
        limit >> 20
    )]
    LabelLimit {
        /// Limit in bytes.
        limit: usize,
    },
    /// The writer's queue is full.
    #[error("the store is busy; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// Time after which the sender should retry.
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
    /// The store has not assigned this series number.
    #[error("this store has no series number {id}")]
    UnknownSeries {
        /// The number.
        id: u32,
    },
    /// A timestamp outside [`MIN_TIMESTAMP_MS`](crate::store::MIN_TIMESTAMP_MS) to
    /// [`MAX_TIMESTAMP_MS`](crate::store::MAX_TIMESTAMP_MS).
    #[error("timestamp {timestamp_ms} ms is outside the store's range")]
    TimestampRange {
        /// The timestamp.
        timestamp_ms: i64,
    },
    /// A row violates a constraint of its table.
    #[error("invalid row of {table}: {detail}")]
    InvalidRow {
        /// The table.
        table: &'static str,
        /// Description of the defect.
        detail: String,
    },
    /// A stored row cannot be decoded.
    #[error("table {table} contains an unreadable row: {detail}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// Description of the defect.
        detail: String,
    },
    /// Every matcher of the deletion also accepts series without the label.
    #[error(
        "the selector has no matcher that excludes the empty value; select series as in up{{job=\"api\"}}, or all series with {{__name__=~\".+\"}}"
    )]
    EmptySelector,
    /// The deletion would remove every series, through a pattern that is probably a mistake.
    #[error("the selector matches all {series} series of the store; to delete everything use {{__name__=~\".+\"}}")]
    WholeStore {
        /// Number of series in the store.
        series: usize,
    },
    /// The query would load more samples than the caller's limit.
    #[error("the query would load more than {limit} samples")]
    TooManySamples {
        /// Limit.
        limit: usize,
    },
    /// A block of the file is damaged: its checksum fails or it cannot be read. Other data can still be read.
    #[error("a part of the store is damaged ({detail}); restore a backup, or save the rest with almanac repair")]
    DamagedBlock {
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// The file is no longer in its place. Nothing is written until it is back.
    #[error("the store's file {path:?} is not in its place ({detail}); nothing is written until it is back")]
    Moved {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        detail: String,
    },
    /// DuckDB invalidated the database after a fatal error. Acknowledged data is on disk.
    #[error("the store has stopped ({detail}); reopen it once the cause is removed; acknowledged data is safe")]
    Stopped {
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// A backup is being made, and a checkpoint has to wait for it. Everything is in the write-ahead log.
    #[error("a backup is being made; a checkpoint has to wait for it")]
    Copying,
    /// A read that began before the tables were last changed has not ended, and a checkpoint has to wait for it. Everything is in the
    /// write-ahead log.
    #[error("a query that began before the last compaction still runs; a checkpoint has to wait for it")]
    Reading,
    /// The store was closed, or its writer thread has ended.
    #[error("the store is closed")]
    Closed,
    /// DuckDB reported an error.
    #[error("the store failed to {action}")]
    Database {
        /// Operation, as a verb phrase: "read the list of segments".
        action: &'static str,
        /// Error of DuckDB.
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

/// Returns the first line of DuckDB's message; the lines after it are hints for DuckDB's own users.
pub(super) fn one_line(error: &duckdb::Error) -> String {
    let text = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    cause(&text).lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason reported").to_owned()
}

/// Returns a message without the line that DuckDB puts before an error of one of its threads, which the next step of the
/// result reports.
fn cause(message: &str) -> &str {
    message
        .trim_start()
        .strip_prefix(
            "Invalid Input Error: Attempting to execute an unsuccessful or closed pending query result\nError: ",
        )
        .unwrap_or(message)
}

/// Text of the operating system for a file system that takes no writes.
const READ_ONLY: &str = "Read-only file system";

/// Part of DuckDB's message when a checkpoint meets another transaction. Almanac has one writer, and waits for compactions; what is
/// left is a committed change of tables that DuckDB keeps as it was for reads that began before.
const OTHER_TRANSACTIONS: &str = "there are other write transactions active";

/// Returns whether a message of DuckDB reports a full disk, an exceeded quota or the limit of its temporary folder.
pub(super) fn is_disk_full(message: &str) -> bool {
    ["No space left on device", "File too large", "Disk quota exceeded", "max_temp_directory_size"]
        .iter()
        .any(|pattern| message.contains(pattern))
}

/// Returns whether a message of DuckDB reports damaged data on disk: a block whose checksum fails or that the file lacks.
/// The same statement fails again until the file is restored. A statement that raises such a text itself is no damage.
#[must_use]
pub fn is_damage(message: &str) -> bool {
    let message = cause(message);
    let is_of_the_disk = ["IO Error: ", "TransactionContext Error: ", "Serialization Error: "]
        .iter()
        .any(|kind| message.trim_start().starts_with(kind));
    is_of_the_disk
        && ["Corrupt database file", "Could not read enough bytes", "not read enough bytes", "Serialization Error: "]
            .iter()
            .any(|pattern| message.contains(pattern))
}

/// Returns whether a message of DuckDB means that every later statement fails until the file is reopened.
fn is_fatal(message: &str) -> bool {
    message.contains("FATAL Error") || message.contains("database has been invalidated")
}

/// Returns a function that converts an error of DuckDB to [`StoreError`]; `action` is a verb phrase for the message.
pub(super) fn failed_to(action: &'static str) -> impl Fn(duckdb::Error) -> StoreError {
    move |source| {
        let detail = one_line(&source);
        // A fatal error may also mention the disk or a block, so this order matters.
        if is_fatal(&source.to_string()) {
            StoreError::Stopped { detail }
        } else if is_damage(&source.to_string()) {
            StoreError::DamagedBlock { detail }
        } else if is_disk_full(&source.to_string()) {
            StoreError::DiskFull { detail }
        } else if source.to_string().contains(READ_ONLY) {
            StoreError::ReadOnly { detail }
        } else if source.to_string().contains(OTHER_TRANSACTIONS) {
            StoreError::Reading
        } else {
            StoreError::Database { action, source: Arc::new(source) }
        }
    }
}

/// Converts DuckDB's error on opening a file.
pub(super) fn cannot_open(path: &Path, error: &duckdb::Error) -> StoreError {
    let path = path.to_owned();
    let message = error.to_string();
    let detail = one_line(error);
    if message.contains("Could not set lock") || message.contains("Conflicting lock") {
        let holder = message
            .split_once("(PID ")
            .and_then(|(_, rest)| rest.split_once(')'))
            .map_or_else(String::new, |(pid, _)| format!(" (process {pid})"));
        StoreError::Locked { path, holder }
    } else if message.contains("not a valid DuckDB database") {
        StoreError::NotDuckDb { path }
    } else if is_disk_full(&message) {
        StoreError::DiskFull { detail }
    } else if ["Corrupt", "checksum", "not read enough bytes", "replaying WAL", "Serialization"]
        .iter()
        .any(|pattern| message.contains(pattern))
    {
        StoreError::Damaged { path, detail }
    } else {
        StoreError::Open { path, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_takes_no_writes_is_told_from_a_full_one() {
        let of = |message: &str| {
            let error = duckdb::Error::DuckDBFailure(duckdb::ffi::Error::new(1), Some(message.to_owned()));
            failed_to("commit")(error)
        };
        let write = "IO Error: Could not write file \"a.duckdb.wal\": ";
        assert!(matches!(of(&format!("{write}Read-only file system")), StoreError::ReadOnly { .. }));
        assert!(matches!(of(&format!("{write}No space left on device")), StoreError::DiskFull { .. }));
        assert!(matches!(of(&format!("{write}Input/output error")), StoreError::Database { .. }));
    }

    #[test]
    fn damage_is_told_from_errors_of_statements() {
        for message in [
            "IO Error: Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 3",
            "IO Error: Could not read enough bytes from file \"a\": attempted to read 262144 bytes from location 8925184",
            "TransactionContext Error: Failed to commit: IO Error: Corrupt database file: computed checksum 1",
            "Serialization Error: Failed to deserialize: field id mismatch",
            "Invalid Input Error: Attempting to execute an unsuccessful or closed pending query result\nError: IO Error: Corrupt database file: x",
        ] {
            assert!(is_damage(message), "{message}");
        }
        for message in [
            "Invalid Input Error: Corrupt database file",
            "Catalog Error: Table with name \"Corrupt database file\" does not exist",
            "IO Error: No files found that match the pattern \"a.csv\"",
        ] {
            assert!(!is_damage(message), "{message}");
        }
    }
}
