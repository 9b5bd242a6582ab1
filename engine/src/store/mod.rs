//! The store: every sample, and every row that is learned or recommended, in one DuckDB file.
//!
//! One process owns the file. One writer thread owns the write connection and commits in groups: it
//! takes everything that waits, appends it in one transaction, then answers every waiter. An answer
//! means that the samples are committed. Samples arrive in a *hot* segment in arrival order; compaction moves them into
//! *cold* segments sorted by series and time; samples that come late, or again with another value,
//! are in a *late* layer that wins until compaction has merged it. Readers see one deduplicated
//! whole.

mod error;
mod handle;
mod index;
mod options;
mod read;
pub mod rows;
mod schema;
mod segment;
mod sql;
mod tables;
mod write;

pub use error::StoreError;
pub use handle::{Store, StoreStats};
use handle::{known, shared};
pub use options::{AnalystLimits, Compaction, CompactionReport, Deletion, DeletionReport, StoreOptions};
pub use sql::{ParquetError, SqlAnswer, SqlError, SqlLimits, SqlParam, to_parquet};
pub use write::{Appended, Receipt, SampleBatch};

/// The oldest timestamp that the store takes, in milliseconds: about 285,000 years before 1970.
pub const MIN_TIMESTAMP_MS: i64 = -9_000_000_000_000_000;
/// The newest timestamp that the store takes, in milliseconds: about 285,000 years after 1970.
pub const MAX_TIMESTAMP_MS: i64 = 9_000_000_000_000_000;
