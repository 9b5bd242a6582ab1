//! How a store is opened, and what its upkeep is asked for and reports.

use almanac_models::Timestamp;

use crate::series::Matcher;

/// How a store is opened. `StoreOptions::default()` is what the service uses.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Most series the store registers; the next new one is refused.
    pub max_series: usize,
    /// Bytes of samples that may wait for the writer; past it an append answers `Busy`.
    pub queue_bytes: usize,
    /// Bytes of recent samples held in memory, by series.
    pub recent_bytes: usize,
    /// Memory that DuckDB may use for everything together, in bytes.
    pub memory_bytes: usize,
    /// Threads that DuckDB may use; 0 = one for each core.
    pub threads: usize,
    /// Age in milliseconds past which raw samples go; `None` = never.
    pub retention_raw_ms: Option<i64>,
    /// Age in milliseconds past which rollups and learned rows go; `None` = never.
    pub retention_rollup_ms: Option<i64>,
    /// Rows in the hot segment past which compaction is due, whatever its age.
    pub hot_rows: u64,
    /// Bounds on analysts' queries.
    pub analyst: AnalystLimits,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_series: 1_000_000,
            queue_bytes: 64 << 20,
            recent_bytes: 256 << 20,
            memory_bytes: 2 << 30,
            threads: 0,
            retention_raw_ms: None,
            retention_rollup_ms: None,
            hot_rows: 16_000_000,
            analyst: AnalystLimits::default(),
        }
    }
}

/// What analysts' SQL may use of the machine, so that ingest keeps its speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnalystLimits {
    /// Queries that run at once; the next waits its turn within its own deadline.
    pub concurrent: usize,
    /// Longest statement in bytes.
    pub sql_bytes: usize,
    /// Table references in one statement, each common table expression counted as often as it is used.
    pub table_references: usize,
    /// Depth of the parsed statement: an operator, a function or a CASE goes two down, a subquery four; at most 127.
    pub nesting: usize,
}

impl Default for AnalystLimits {
    fn default() -> Self {
        Self { concurrent: 2, sql_bytes: 64 << 10, table_references: 200, nesting: 120 }
    }
}

/// What a compaction is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// What is due by age and size.
    Due,
    /// Everything: the hot segment as well, whatever its age, merged as far as it goes, and space given back.
    All,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionReport {
    /// Samples moved out of hot and late segments.
    pub samples_moved: u64,
    /// Older versions of samples dropped because a later write won.
    pub samples_replaced: u64,
    /// Samples dropped by retention.
    pub samples_expired: u64,
    /// Segments written.
    pub segments_written: u64,
    /// Segments dropped.
    pub segments_dropped: u64,
    /// Rollup rows written.
    pub rollups_written: u64,
}

/// Which samples to delete.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// Series that satisfy all of these; one at least must exclude the empty value.
    pub matchers: Vec<Matcher>,
    /// From this instant on, itself included; `None` = from the first sample.
    pub from: Option<Timestamp>,
    /// Up to this instant, itself included; `None` = to the last sample.
    pub until: Option<Timestamp>,
    /// Only counts what would be deleted.
    pub dry_run: bool,
}

/// What a deletion concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletionReport {
    /// Series that had samples in the span.
    pub series: u64,
    /// Series that have nothing left and are gone; 0 in a dry run.
    pub series_emptied: u64,
    /// Samples deleted.
    pub samples: u64,
    /// Rollup rows that covered the span in whole or in part.
    pub rollups: u64,
    /// The oldest sample deleted.
    pub oldest: Option<Timestamp>,
    /// The newest sample deleted.
    pub newest: Option<Timestamp>,
}
