//! Samples of a watched database: names, labels, and their metadata.

use almanac_models::Timestamp;

use crate::{
    database::{
        TableActivity,
        snapshot::{Activity, IndexCounters, StatementCounters},
    },
    series::{Labels, METRIC_NAME},
    store::rows::{MetadataRow, MetricType},
};

/// Name, type and description of each metric.
const METRICS: [(&str, MetricType, &str); 28] = {
    use MetricType::{Counter, Gauge, Info};
    [
        ("pg_statement_calls", Counter, "Executions of a statement family"),
        ("pg_statement_seconds", Counter, "Execution time of a statement family"),
        ("pg_statement_rows", Counter, "Rows returned or changed by a statement family"),
        ("pg_statement_blocks_hit", Counter, "Blocks of 8 KiB that a statement family found in shared buffers"),
        (
            "pg_statement_blocks_read",
            Counter,
            "Blocks of 8 KiB that a statement family read from outside shared buffers",
        ),
        (
            "pg_statement_temporary_blocks",
            Counter,
            "Blocks of 8 KiB that a statement family read from or wrote to temporary files",
        ),
        ("pg_statement_wal_bytes", Counter, "Write-ahead log of a statement family"),
        (
            "pg_statement_p95_seconds_estimate",
            Gauge,
            "95th percentile of the time of one execution, estimated from mean and deviation as log-normal",
        ),
        ("pg_statement", Info, "Normalised text of a statement family"),
        ("pg_table_sequential_scans", Counter, "Sequential scans of a table"),
        ("pg_table_sequential_rows", Counter, "Rows read by sequential scans of a table"),
        ("pg_table_index_scans", Counter, "Index scans of a table"),
        ("pg_table_index_rows", Counter, "Rows fetched by index scans of a table"),
        ("pg_table_inserted_rows", Counter, "Rows inserted into a table"),
        ("pg_table_updated_rows", Counter, "Rows updated in a table"),
        ("pg_table_hot_updated_rows", Counter, "Rows updated in a table without a new index entry"),
        ("pg_table_deleted_rows", Counter, "Rows deleted from a table"),
        ("pg_table_live_rows", Gauge, "Live rows of a table, estimated"),
        ("pg_table_dead_rows", Gauge, "Dead rows of a table, estimated"),
        ("pg_table_bytes", Gauge, "Size of a table's heap"),
        ("pg_index_scans", Counter, "Scans of an index"),
        ("pg_index_bytes", Gauge, "Size of an index"),
        ("pg_connections", Gauge, "Sessions of the database by state"),
        ("pg_waits", Gauge, "Active sessions that wait, by kind and event"),
        ("pg_locks_waiting", Gauge, "Locks that are waited for"),
        ("pg_lock_wait_seconds", Gauge, "Longest wait for a lock"),
        ("pg_oldest_transaction_seconds", Gauge, "Age of the oldest transaction"),
        ("pg_idle_in_transaction_seconds", Gauge, "Longest time that a session is idle in a transaction"),
    ]
};

/// Returns the metadata of all metrics of databases.
#[must_use]
pub fn metadata(now: Timestamp) -> Vec<MetadataRow> {
    let row = |(metric, metric_type, help): &(&str, MetricType, &str)| MetadataRow {
        metric: (*metric).to_owned(),
        metric_type: *metric_type,
        help: (*help).to_owned(),
        unit: String::new(),
        updated_at: now,
    };
    METRICS.iter().map(row).collect()
}

/// Samples of one time.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    database: &'a str,
    found: Vec<(Labels, f64)>,
}

impl<'a> Samples<'a> {
    pub(super) fn new(database: &'a str) -> Self {
        Self { database, found: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<(Labels, f64)> {
        self.found
    }

    /// Adds a sample. Labels with one name twice do not occur.
    pub(super) fn add(&mut self, metric: &str, labels: &[(&str, &str)], value: f64) {
        let all = [(METRIC_NAME, metric), ("database", self.database)].into_iter().chain(labels.iter().copied());
        if value.is_finite()
            && let Ok(labels) = Labels::from_pairs(all)
        {
            self.found.push((labels, value));
        }
    }

    pub(super) fn statement(&mut self, family: &str, sums: &StatementCounters) {
        let labels = [("family", family)];
        self.add("pg_statement_calls_total", &labels, sums.calls);
        self.add("pg_statement_seconds_total", &labels, sums.total_ms / 1_000.0);
        self.add("pg_statement_rows_total", &labels, sums.rows);
        self.add("pg_statement_blocks_hit_total", &labels, sums.hit);
        self.add("pg_statement_blocks_read_total", &labels, sums.read);
        self.add("pg_statement_temporary_blocks_total", &labels, sums.temporary);
        self.add("pg_statement_wal_bytes_total", &labels, sums.wal);
    }

    pub(super) fn table(&mut self, name: &str, sums: &TableActivity) {
        let labels = [("table", name)];
        self.add("pg_table_sequential_scans_total", &labels, sums.sequential_scans);
        self.add("pg_table_sequential_rows_total", &labels, sums.sequential_rows);
        self.add("pg_table_index_scans_total", &labels, sums.index_scans);
        self.add("pg_table_index_rows_total", &labels, sums.index_rows);
        self.add("pg_table_inserted_rows_total", &labels, sums.inserted);
        self.add("pg_table_updated_rows_total", &labels, sums.updated);
        self.add("pg_table_hot_updated_rows_total", &labels, sums.updated_hot);
        self.add("pg_table_deleted_rows_total", &labels, sums.deleted);
        self.add("pg_table_live_rows", &labels, sums.live);
        self.add("pg_table_dead_rows", &labels, sums.dead);
    }

    pub(super) fn index(&mut self, name: &str, sums: &IndexCounters) {
        self.add("pg_index_scans_total", &[("table", &sums.table), ("index", name)], sums.scans);
    }

    pub(super) fn activity(&mut self, activity: &Activity) {
        for (state, count) in &activity.connections {
            self.add("pg_connections", &[("state", state)], *count);
        }
        for ((kind, event), count) in &activity.waits {
            self.add("pg_waits", &[("type", kind), ("event", event)], *count);
        }
        self.add("pg_server_connections", &[], activity.all_connections);
        self.add("pg_locks_waiting", &[], activity.locks_waiting.values().sum());
        self.add("pg_lock_wait_seconds", &[], activity.longest_lock_wait);
        self.add("pg_oldest_transaction_seconds", &[], activity.oldest_transaction);
        self.add("pg_idle_in_transaction_seconds", &[], activity.idle_in_transaction);
    }
}
