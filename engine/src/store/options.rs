//! Options of a store, and requests and reports of compaction and deletion.

use std::{fmt, sync::Arc};

use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};

use crate::series::Matcher;

/// Options for opening a store. The defaults are those of the service.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Maximum number of registered series; further new series are rejected.
    pub max_series: usize,
    /// Maximum length in bytes of all distinct names and values of labels, which are kept in memory; new series with
    /// further ones are rejected.
    pub label_bytes: usize,
    /// Capacity of the writer's queue in bytes; when it is full, `append` returns `Busy`.
    pub queue_bytes: usize,
    /// Budget for samples in memory, in bytes: seven eighths for the newest ones, one for encoded blocks that queries have read.
    pub recent_bytes: usize,
    /// DuckDB's memory limit in bytes.
    pub memory_bytes: usize,
    /// Number of DuckDB's threads; 0 = one per core.
    pub threads: usize,
    /// Age in milliseconds at which raw samples are deleted; `None` = never.
    pub retention_raw_ms: Option<i64>,
    /// Age in milliseconds at which rollups, forecasts and anomaly scores are deleted; `None` = never.
    pub retention_rollup_ms: Option<i64>,
    /// Largest share of the rows of a table that retention deletes in one round; above it the rows are held until
    /// [`Store::compact_dropping`](crate::store::Store::compact_dropping) allows it, from 0 to 1.
    pub drop_share_max: f64,
    /// Number of rows in the hot segment at which compaction is due regardless of its age.
    pub hot_rows: u64,
    /// Length of the write-ahead log in bytes at which a checkpoint is written; twice as much while workers run statements. An opening reads the log again, 32 MiB in about
    /// 0.4 s, and until a checkpoint DuckDB keeps the rows of the log uncompressed in memory.
    pub log_bytes: u64,
    /// Number of rows of hot and late segments up to which an opening loads them into memory; more are loaded after it.
    pub loaded_rows: u64,
    /// Limits of analysts' queries.
    pub analyst: AnalystLimits,
    /// Called while an opening converts the samples of a release before schema version 8.
    pub on_conversion: OnConversion,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_series: 1_000_000,
            label_bytes: 512 << 20,
            queue_bytes: 64 << 20,
            recent_bytes: 256 << 20,
            memory_bytes: 2 << 30,
            threads: 0,
            retention_raw_ms: None,
            retention_rollup_ms: None,
            drop_share_max: 0.2,
            hot_rows: 16_000_000,
            log_bytes: 32 << 20,
            loaded_rows: 1_000_000,
            analyst: AnalystLimits::default(),
            on_conversion: OnConversion::default(),
        }
    }
}

impl StoreOptions {
    /// Returns the bytes of encoded blocks in memory.
    pub(in crate::store) const fn block_bytes(&self) -> usize {
        self.recent_bytes / 8
    }

    /// Returns the bytes of the newest samples in memory.
    pub(in crate::store) const fn sample_bytes(&self) -> usize {
        self.recent_bytes - self.block_bytes()
    }
}

/// A function of the number of samples that are converted, and of their total; none by default.
#[derive(Clone, Default)]
pub struct OnConversion(Option<Arc<dyn Fn(u64, u64) + Send + Sync>>);

impl OnConversion {
    /// Wraps a function.
    pub fn new(report: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(report)))
    }

    pub(in crate::store) fn report(&self, done: u64, total: u64) {
        if let Some(report) = &self.0 {
            report(done, total);
        }
    }
}

impl fmt::Debug for OnConversion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("OnConversion").field(&self.0.is_some()).finish()
    }
}

/// Limits of analysts' SQL on the whole, so that queries do not slow ingest down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalystLimits {
    /// Number of concurrent queries; a further one waits until its own deadline.
    pub concurrent: usize,
    /// Maximum length of a statement with its text parameters, in bytes.
    pub sql_bytes: usize,
    /// Maximum number of table references in one statement; a common table expression counts once per use.
    pub table_references: usize,
    /// Maximum depth of the parsed statement, up to 127. An operator, a function or a CASE adds two levels, a subquery
    /// four.
    pub nesting: usize,
}

impl Default for AnalystLimits {
    fn default() -> Self {
        Self { concurrent: 2, sql_bytes: 64 << 10, table_references: 200, nesting: 120 }
    }
}

/// Extent of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// Segments that are due by age and size.
    Due,
    /// All segments, including the hot one, merged up to the maximum segment size; then free space is returned to the
    /// file system.
    All,
}

/// Result of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionReport {
    /// Samples moved out of hot and late segments.
    pub samples_moved: u64,
    /// Older versions of samples dropped because of a later write.
    pub samples_replaced: u64,
    /// Samples dropped by retention.
    pub samples_expired: u64,
    /// Rows older than their retention that were held back, of samples and of other tables.
    pub rows_held: u64,
    /// Segments written.
    pub segments_written: u64,
    /// Segments dropped.
    pub segments_dropped: u64,
    /// Rollup rows written.
    pub rollups_written: u64,
}

/// Selection of samples to delete.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// Matchers that a series must satisfy; at least one must reject the empty value.
    pub matchers: Vec<Matcher>,
    /// Start of the span, inclusive; `None` = the first sample.
    pub from: Option<Timestamp>,
    /// End of the span, inclusive; `None` = the last sample.
    pub until: Option<Timestamp>,
    /// Counts the samples without deleting them.
    pub dry_run: bool,
}

/// Result of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletionReport {
    /// Series that had samples in the span.
    pub series: u64,
    /// Series removed because no sample is left; 0 in a dry run.
    pub series_emptied: u64,
    /// Samples deleted.
    pub samples: u64,
    /// Rollup rows whose bucket overlaps the span.
    pub rollups: u64,
    /// Timestamp of the oldest deleted sample.
    pub oldest: Option<Timestamp>,
    /// Timestamp of the newest deleted sample.
    pub newest: Option<Timestamp>,
}
