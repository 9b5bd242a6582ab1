//! The section `[sql]`: worker processes for analysts' SQL.

use serde::Deserialize;

use crate::config::ByteSize;

/// Worker processes for analysts' SQL, `[sql]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sql {
    /// Number of worker processes: statements that run at once.
    pub workers: usize,
    /// Memory of a statement.
    pub memory: ByteSize,
}

impl Default for Sql {
    fn default() -> Self {
        Self { workers: 2, memory: ByteSize::mebibytes(1024) }
    }
}

/// Largest number of workers: each has DuckDB's threads of its own.
const MOST_WORKERS: usize = 64;

/// Least memory in MiB with which a worker can open a store.
const LEAST_MEMORY: usize = 64;

impl Sql {
    /// Checks the values; the error names the key.
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        if self.workers == 0 || self.workers > MOST_WORKERS {
            return Err(format!("sql.workers is {}, but must be 1 to {MOST_WORKERS}", self.workers));
        }
        if self.memory.bytes() >> 20 < LEAST_MEMORY {
            return Err(format!("sql.memory is below {LEAST_MEMORY}MiB, with which a worker cannot open a store"));
        }
        Ok(())
    }
}
