//! The store: one DuckDB file with all samples, learned rows and recommendations.
//!
//! One process owns the file. One writer thread owns the write connection and commits in groups: it takes all queued
//! batches, appends them in one transaction, then acknowledges each sender. An acknowledged batch is on disk.
//!
//! ```text
//! append ─► queue ─► writer ─┬─► hot segment (arrival order) ──┬─► compaction ─► cold segments (compressed blocks)
//!                            └─► late segment (late, repeated) ┘                 rollups of 1 h
//! ```
//!
//! A late row replaces the hot or cold row of the same series and timestamp. Readers and views apply late rows
//! themselves, so that each sample is seen once also before compaction has merged them.

mod error;
mod file;
mod handle;
mod index;
mod options;
mod read;
pub mod rows;
mod schema;
mod segment;
mod sql;
mod tables;
#[cfg(unix)]
mod workers;
mod write;

pub use error::{StoreError, is_damage};
pub use file::{BackupReport, NewFile, RepairReport, RepairStage, TableReport};
pub use handle::{Store, StoreStats};
use handle::{cache, shared};
pub use options::{AnalystLimits, Compaction, CompactionReport, Deletion, DeletionReport, OnConversion, StoreOptions};
pub use read::{ROLLUP_MS, RollupValue};
pub use schema::{PG_SETTINGS, PG_VERSION, pg_type_oid};
pub use segment::{CheckReport, Damage};
pub use sql::{
    EvaluatePromql, IsCancelled, ParquetError, PromqlCall, PromqlSeries, PromqlStep, SqlAnswer, SqlCancel,
    SqlDescription, SqlDialect, SqlError, SqlLimits, SqlParam, postgres, to_parquet,
};
#[cfg(unix)]
pub use workers::{SqlCall, SqlWorkers, WorkerOptions, WorkerStats, serve_sql};
pub use write::{Appended, HistogramSample, Receipt, SampleBatch};

/// Oldest accepted timestamp, in epoch milliseconds: about 285,000 years before 1970.
pub const MIN_TIMESTAMP_MS: i64 = -9_000_000_000_000_000;
/// Newest accepted timestamp, in epoch milliseconds: about 285,000 years after 1970.
pub const MAX_TIMESTAMP_MS: i64 = 9_000_000_000_000_000;
