//! The statements of a span with what they cost, and the writes to each table in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Statements and writes of a span.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Seconds of the span; none if unknown, as in an export of counters without the time of their reset.
    pub seconds: Option<f64>,
    /// Statement families, each once.
    pub statements: Vec<StatementUse>,
    /// Writes by table (`schema.name`).
    pub writes: BTreeMap<String, TableWrites>,
    /// Scans by index (`schema.index`) in the span.
    pub index_scans: BTreeMap<String, f64>,
    /// Whether counters may be incomplete: families were evicted from `pg_stat_statements`, or it was reset.
    pub incomplete: bool,
}

/// A statement family with its counters over a span.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatementUse {
    /// Fingerprint, see [`family`](super::statement::family).
    pub family: String,
    /// Normalised text, see [`normalize`](super::statement::normalize).
    pub statement: String,
    /// Executions.
    pub calls: f64,
    /// Execution time, in milliseconds.
    pub total_ms: f64,
    /// Standard deviation of the time of one execution, in milliseconds; none if unknown.
    pub deviation_ms: Option<f64>,
    /// Longest execution, in milliseconds; none if unknown.
    pub longest_ms: Option<f64>,
    /// Planning time, in milliseconds; none if it is not tracked.
    pub planning_ms: Option<f64>,
    /// Rows returned or changed.
    pub rows: f64,
    /// Blocks of 8 KiB found in shared buffers.
    pub blocks_hit: f64,
    /// Blocks of 8 KiB read from outside shared buffers.
    pub blocks_read: f64,
    /// Blocks of 8 KiB read from or written to temporary files.
    pub blocks_temporary: f64,
    /// Bytes of write-ahead log; none if unknown.
    pub wal_bytes: Option<f64>,
    /// Values seen for placeholders, from plans or the log. Empty when values must not leave the database.
    pub parameters: Vec<ParameterValues>,
}

impl StatementUse {
    /// Returns the mean time of one execution, in milliseconds; 0 without executions.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.calls > 0.0 { self.total_ms / self.calls } else { 0.0 }
    }
}

/// Values seen for one placeholder of a statement family.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ParameterValues {
    /// Number of the placeholder in the normalised text, from 1.
    pub number: usize,
    /// Executions in which the value is known.
    pub seen: f64,
    /// Values with their numbers of executions, the most frequent first; at most 32.
    pub values: Vec<(String, f64)>,
}

/// Rows written to a table in a span.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TableWrites {
    /// Rows inserted.
    pub inserted: f64,
    /// Rows updated.
    pub updated: f64,
    /// Rows updated without a new index entry (HOT).
    pub updated_hot: f64,
    /// Rows deleted.
    pub deleted: f64,
}
