//! Reads the answers of a database into a snapshot.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::counters::{Activity, IndexCounters, Snapshot, StatementCounters};
use crate::database::{catalogue::TableActivity, read::ReadError};

/// A counter; NULL reads as 0.
type Number = Option<f64>;

/// `queryid`, calls, time, squares, longest, planning, rows, hit, read, temporary, WAL.
type StatementRow = (Option<i64>, [Number; 10]);

#[derive(Deserialize)]
struct Statements {
    statements: Option<Vec<StatementCells>>,
    total: Option<StatementCells>,
    count: f64,
    hidden: f64,
    info: Option<(Number, Number)>,
}

/// A row as an array of eleven numbers.
#[derive(Deserialize)]
#[serde(from = "StatementArray")]
struct StatementCells(StatementRow);

type StatementArray = (Option<i64>, Number, Number, Number, Number, Number, Number, Number, Number, Number, Number);

impl From<StatementArray> for StatementCells {
    fn from(row: StatementArray) -> Self {
        Self((row.0, [row.1, row.2, row.3, row.4, row.5, row.6, row.7, row.8, row.9, row.10]))
    }
}

impl StatementCells {
    fn counters(&self) -> StatementCounters {
        let [calls, total_ms, squares, longest_ms, planning_ms, rows, hit, read, temporary, wal] =
            self.0.1.map(Option::unwrap_or_default);
        StatementCounters { calls, total_ms, squares, longest_ms, planning_ms, rows, hit, read, temporary, wal }
    }
}

type TableCells = (
    String,
    String,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
    Number,
);
type IndexCells = (String, String, String, Number, Number, Number);

#[derive(Deserialize)]
struct Counters {
    started: f64,
    tables: Option<Vec<TableCells>>,
    indexes: Option<Vec<IndexCells>>,
    database: Option<HashMap<String, Number>>,
    server: Option<HashMap<String, Number>>,
    connections: Option<BTreeMap<String, f64>>,
    all_connections: Number,
    waits: Option<Vec<(String, Option<String>, f64)>>,
    oldest_transaction: Number,
    idle_in_transaction: Number,
    locks_waiting: Option<BTreeMap<String, f64>>,
    longest_lock_wait: Number,
}

impl Snapshot {
    /// Reads the answers to the statements `counters` and `statements`; the second is none without the extension.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(at_ms: i64, counters: &str, statements: Option<&str>) -> Result<Self, ReadError> {
        let found: Counters =
            serde_json::from_str(counters).map_err(|source| ReadError { what: "the counters", source })?;
        let mut snapshot = Self { at_ms, ..of_counters(found) };
        if let Some(json) = statements {
            let found: Statements =
                serde_json::from_str(json).map_err(|source| ReadError { what: "the statements", source })?;
            snapshot.has_statements = true;
            let rows = found.statements.unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "at most 5,000 rows")]
            let listed = rows.len() as f64;
            snapshot.is_complete = listed >= found.count && found.hidden <= 0.0;
            snapshot.hidden = found.hidden;
            snapshot.statements = rows.iter().filter_map(|row| Some((row.0.0?, row.counters()))).collect();
            snapshot.total = found.total.map(|row| row.counters()).unwrap_or_default();
            if let Some((reset, evictions)) = found.info {
                snapshot.reset = reset;
                snapshot.evictions = evictions;
            }
        }
        Ok(snapshot)
    }
}

fn of_counters(found: Counters) -> Snapshot {
    let tables = found.tables.unwrap_or_default().into_iter().map(|row| {
        let activity = TableActivity {
            sequential_scans: row.2.unwrap_or_default(),
            sequential_rows: row.3.unwrap_or_default(),
            index_scans: row.4.unwrap_or_default(),
            index_rows: row.5.unwrap_or_default(),
            inserted: row.6.unwrap_or_default(),
            updated: row.7.unwrap_or_default(),
            updated_hot: row.8.unwrap_or_default(),
            updated_new_page: row.9,
            deleted: row.10.unwrap_or_default(),
            live: row.11.unwrap_or_default(),
            dead: row.12.unwrap_or_default(),
            changed_since_analyze: row.13.unwrap_or_default(),
            vacuums: row.14.unwrap_or_default(),
            analyzes: row.15.unwrap_or_default(),
            seconds: None,
        };
        (format!("{}.{}", row.0, row.1), activity)
    });
    let indexes = found.indexes.unwrap_or_default().into_iter().map(|(schema, table, index, scans, read, fetched)| {
        let counters = IndexCounters {
            table: format!("{schema}.{table}"),
            scans: scans.unwrap_or_default(),
            rows_read: read.unwrap_or_default(),
            rows_fetched: fetched.unwrap_or_default(),
        };
        (format!("{schema}.{index}"), counters)
    });
    let known = |counters: Option<HashMap<String, Number>>| {
        counters.unwrap_or_default().into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    };
    let waits = found.waits.unwrap_or_default().into_iter();
    Snapshot {
        started: found.started,
        tables: tables.collect(),
        indexes: indexes.collect(),
        database: known(found.database),
        server: known(found.server),
        activity: Activity {
            connections: found.connections.unwrap_or_default(),
            all_connections: found.all_connections.unwrap_or_default(),
            waits: waits.map(|(kind, event, n)| ((kind, event.unwrap_or_default()), n)).collect(),
            oldest_transaction: found.oldest_transaction.unwrap_or_default(),
            idle_in_transaction: found.idle_in_transaction.unwrap_or_default(),
            locks_waiting: found.locks_waiting.unwrap_or_default(),
            longest_lock_wait: found.longest_lock_wait.unwrap_or_default(),
        },
        ..Snapshot::default()
    }
}
