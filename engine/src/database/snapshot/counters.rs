//! The counters of one time.

use std::collections::{BTreeMap, HashMap};

use crate::database::catalogue::TableActivity;

/// Counters of one statement since its first execution.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StatementCounters {
    /// Executions.
    pub calls: f64,
    /// Execution time, in milliseconds.
    pub total_ms: f64,
    /// Sum of the squared execution times, in ms².
    pub squares: f64,
    /// Longest execution, in milliseconds.
    pub longest_ms: f64,
    /// Planning time, in milliseconds; 0 if it is not tracked.
    pub planning_ms: f64,
    /// Rows returned or changed.
    pub rows: f64,
    /// Blocks found in shared buffers.
    pub hit: f64,
    /// Blocks read from outside shared buffers.
    pub read: f64,
    /// Blocks read from or written to temporary files.
    pub temporary: f64,
    /// Bytes of write-ahead log.
    pub wal: f64,
}

impl StatementCounters {
    /// Whether a counter is lower than before: the statement was evicted or the counters were reset.
    #[must_use]
    pub fn fell(&self, before: &Self) -> bool {
        let pairs = [
            (self.calls, before.calls),
            (self.total_ms, before.total_ms),
            (self.rows, before.rows),
            (self.hit, before.hit),
            (self.read, before.read),
            (self.wal, before.wal),
        ];
        // Sums of floating-point numbers over users vary in their last digits.
        pairs.iter().any(|(now, before)| *now < *before * (1.0 - 1e-9))
    }

    /// Returns the increase since `before`, no counter below 0. The longest execution is 0 if it happened before.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let rise = |now: f64, before: f64| (now - before).max(0.0);
        Self {
            calls: rise(self.calls, before.calls),
            total_ms: rise(self.total_ms, before.total_ms),
            squares: rise(self.squares, before.squares),
            longest_ms: if self.longest_ms > before.longest_ms { self.longest_ms } else { 0.0 },
            planning_ms: rise(self.planning_ms, before.planning_ms),
            rows: rise(self.rows, before.rows),
            hit: rise(self.hit, before.hit),
            read: rise(self.read, before.read),
            temporary: rise(self.temporary, before.temporary),
            wal: rise(self.wal, before.wal),
        }
    }

    /// Adds the counters of another statement.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.total_ms += other.total_ms;
        self.squares += other.squares;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
        self.planning_ms += other.planning_ms;
        self.rows += other.rows;
        self.hit += other.hit;
        self.read += other.read;
        self.temporary += other.temporary;
        self.wal += other.wal;
    }

    /// Returns the standard deviation of the time of one execution, in milliseconds; 0 without executions.
    #[must_use]
    pub fn deviation_ms(&self) -> f64 {
        if !(self.calls > 0.0) {
            return 0.0;
        }
        let mean = self.total_ms / self.calls;
        (self.squares / self.calls - mean * mean).max(0.0).sqrt()
    }
}

/// Counters of one index.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IndexCounters {
    /// Table, as `schema.name`.
    pub table: String,
    /// Scans.
    pub scans: f64,
    /// Entries read.
    pub rows_read: f64,
    /// Rows fetched by plain index scans.
    pub rows_fetched: f64,
}

/// What the sessions of the database do at the time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Activity {
    /// Sessions by state, such as `active` or `idle in transaction`.
    pub connections: BTreeMap<String, f64>,
    /// Sessions of all databases.
    pub all_connections: f64,
    /// Active sessions that wait, by kind and event.
    pub waits: BTreeMap<(String, String), f64>,
    /// Age of the oldest transaction, in seconds.
    pub oldest_transaction: f64,
    /// Longest time that a session is idle in a transaction, in seconds.
    pub idle_in_transaction: f64,
    /// Waiting locks by mode.
    pub locks_waiting: BTreeMap<String, f64>,
    /// Longest wait for a lock, in seconds.
    pub longest_lock_wait: f64,
}

/// Counters of a database at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Time of the snapshot, in epoch milliseconds.
    pub at_ms: i64,
    /// Start of the server, in epoch seconds.
    pub started: f64,
    /// Whether statements were read.
    pub has_statements: bool,
    /// Last reset of `pg_stat_statements`, in epoch seconds; none if unknown.
    pub reset: Option<f64>,
    /// Statements that `pg_stat_statements` evicted; none if unknown.
    pub evictions: Option<f64>,
    /// The heaviest statements by `queryid`.
    pub statements: HashMap<i64, StatementCounters>,
    /// Sum over all statements.
    pub total: StatementCounters,
    /// Whether `statements` has all statements of the database.
    pub is_complete: bool,
    /// Statements whose text the role may not see.
    pub hidden: f64,
    /// Tables by `schema.name`.
    pub tables: BTreeMap<String, TableActivity>,
    /// Indexes by `schema.name`.
    pub indexes: BTreeMap<String, IndexCounters>,
    /// Counters of the database by name.
    pub database: BTreeMap<String, f64>,
    /// Counters of the server by name.
    pub server: BTreeMap<String, f64>,
    /// What the sessions do.
    pub activity: Activity,
}
