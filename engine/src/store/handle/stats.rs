//! Sizes and counters of a store, which the API exports as metrics, and the check of everything that is stored.

use super::Store;
use crate::store::{CheckReport, StoreError, segment};

/// Sizes and counters of the store, for metrics and readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Series registered.
    pub series: u64,
    /// Limit of registered series.
    pub max_series: u64,
    /// Length of all distinct names and values of labels in bytes.
    pub label_bytes: u64,
    /// Limit of that length in bytes.
    pub max_label_bytes: u64,
    /// New series rejected because of a limit, since the start.
    pub series_refused: u64,
    /// Samples in hot segments (arrival order).
    pub samples_hot: u64,
    /// Samples in late segments.
    pub samples_late: u64,
    /// Samples in cold segments (sorted).
    pub samples_cold: u64,
    /// Recent samples in memory.
    pub samples_recent: u64,
    /// Bytes in memory of compressed samples that queries have read from disk.
    pub block_cache_bytes: u64,
    /// Hot, late and cold segments.
    pub segments: u64,
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Free bytes of the disk with the file; `None` if the system does not say.
    pub disk_free_bytes: Option<u64>,
    /// Newest timestamp of a sample, epoch milliseconds; `None` without samples.
    pub newest_ms: Option<i64>,
    /// Bytes of samples waiting for the writer.
    pub queue_bytes: u64,
    /// Capacity of the writer's queue in bytes.
    pub queue_limit_bytes: u64,
    /// Batches waiting for the writer.
    pub queue_batches: u64,
    /// Appends rejected because the queue was full, since the start.
    pub busy: u64,
    /// Transactions committed since the start.
    pub commits: u64,
    /// Transactions that failed since the start.
    pub commits_failed: u64,
    /// Time spent in transactions since the start, in microseconds.
    pub commit_us: u64,
    /// Samples written since the start.
    pub samples_written: u64,
    /// Samples since the start that were already stored with the same value.
    pub samples_unchanged: u64,
    /// Samples since the start that were written to the late segment.
    pub samples_came_late: u64,
    /// Compactions since the start.
    pub compactions: u64,
    /// Whether the store takes writes.
    pub ready: bool,
    /// Reads and compactions that found a damaged block, since the start.
    pub damaged_blocks: u64,
    /// Samples that were acknowledged before the last opening and were not found, because the log was missing or short.
    pub samples_lost: u64,
    /// Rows of samples and of other tables that are older than their retention but are held back.
    pub rows_held: u64,
    /// Native histograms.
    pub histograms: u64,
}

impl Store {
    /// Reads everything that is stored and compares the checksums; compactions wait. `report` is called with the samples that
    /// were read and their total.
    ///
    /// # Errors
    /// `Closed`, or an error of DuckDB other than damage, which is in the report.
    pub fn check(&self, report: impl Fn(u64, u64)) -> Result<CheckReport, StoreError> {
        segment::check(&self.0.shared, report)
    }
}
