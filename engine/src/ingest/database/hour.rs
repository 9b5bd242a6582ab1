//! The rows of the running hour.

use std::collections::{HashMap, HashSet};

use almanac_models::Timestamp;

use super::families::HOUR_MS;
use crate::{
    database::{
        TableActivity,
        snapshot::{Difference, IndexCounters, StatementCounters},
    },
    store::rows::{DatabaseHourRow, DatabaseIndexUseRow, DatabaseStatementUseRow, DatabaseTableUseRow, DatabaseUse},
};

/// Increases of one hour, and which of them are not written yet.
#[derive(Debug, Default)]
pub(super) struct Hour {
    start_ms: i64,
    statements: HashMap<String, StatementCounters>,
    tables: HashMap<String, TableActivity>,
    indexes: HashMap<String, IndexCounters>,
    seconds: f64,
    snapshots: u64,
    interruptions: u64,
    changed: [HashSet<String>; 3],
    is_changed: bool,
}

/// Returns the start of the hour in which a span that ends at this time is counted.
pub(super) fn start_of(end_ms: i64) -> i64 {
    (end_ms - 1).div_euclid(HOUR_MS) * HOUR_MS
}

impl Hour {
    /// Creates an hour from its stored rows.
    pub(super) fn new(start_ms: i64, stored: DatabaseUse) -> Self {
        let mut hour = Self { start_ms, ..Self::default() };
        hour.statements = stored.statement_use.iter().map(|row| (row.family.clone(), counters(row))).collect();
        hour.tables = stored.table_use.iter().map(|row| (row.relation.clone(), activity(row))).collect();
        hour.indexes = stored.index_use.into_iter().map(index).collect();
        if let Some(row) = stored.hours.first() {
            (hour.seconds, hour.snapshots, hour.interruptions) = (row.seconds, row.snapshots, row.interruptions);
        }
        hour
    }

    pub(super) fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Adds the increases of a span.
    pub(super) fn add(&mut self, found: &Difference) {
        let [statements, tables, indexes] = &mut self.changed;
        for (family, increase) in &found.families {
            self.statements.entry(family.clone()).or_default().add(increase);
            statements.insert(family.clone());
        }
        for (name, increase) in &found.tables {
            if add_table(self.tables.entry(name.clone()).or_default(), increase) {
                tables.insert(name.clone());
            }
        }
        for (name, increase) in &found.indexes {
            let known = self.indexes.entry(name.clone()).or_insert_with(|| {
                // An index without a scan has a row as well: that it is unused is what matters.
                indexes.insert(name.clone());
                IndexCounters { table: increase.table.clone(), ..IndexCounters::default() }
            });
            if increase.scans > 0.0 || increase.rows_read > 0.0 {
                indexes.insert(name.clone());
                known.scans += increase.scans;
                known.rows_read += increase.rows_read;
                known.rows_fetched += increase.rows_fetched;
            }
        }
        self.seconds += found.seconds;
        self.snapshots += 1;
        self.interruptions += found.events.len() as u64;
        self.is_changed = true;
    }

    /// Returns the rows that changed since the last call.
    pub(super) fn changed(&mut self, database: &str) -> DatabaseUse {
        let mut out = DatabaseUse::default();
        if !std::mem::take(&mut self.is_changed) {
            return out;
        }
        let (hour, database) = (Timestamp::from_millis(self.start_ms), || database.to_owned());
        let [statements, tables, indexes] = &mut self.changed;
        let row = |family: String| {
            let counters = self.statements.get(&family)?;
            Some(DatabaseStatementUseRow {
                hour,
                database: database(),
                calls: counters.calls,
                total_ms: counters.total_ms,
                squares: counters.squares,
                longest_ms: counters.longest_ms,
                planning_ms: counters.planning_ms,
                rows: counters.rows,
                blocks_hit: counters.hit,
                blocks_read: counters.read,
                blocks_temporary: counters.temporary,
                wal_bytes: counters.wal,
                family,
            })
        };
        out.statement_use = statements.drain().filter_map(row).collect();
        let row = |relation: String| {
            let table = self.tables.get(&relation)?;
            Some(DatabaseTableUseRow {
                hour,
                database: database(),
                sequential_scans: table.sequential_scans,
                sequential_rows: table.sequential_rows,
                index_scans: table.index_scans,
                index_rows: table.index_rows,
                inserted: table.inserted,
                updated: table.updated,
                updated_hot: table.updated_hot,
                deleted: table.deleted,
                live: table.live,
                dead: table.dead,
                relation,
            })
        };
        out.table_use = tables.drain().filter_map(row).collect();
        let row = |index_name: String| {
            let index = self.indexes.get(&index_name)?;
            Some(DatabaseIndexUseRow {
                hour,
                database: database(),
                relation: index.table.clone(),
                scans: index.scans,
                rows_read: index.rows_read,
                rows_fetched: index.rows_fetched,
                index_name,
            })
        };
        out.index_use = indexes.drain().filter_map(row).collect();
        let (seconds, snapshots, interruptions) = (self.seconds, self.snapshots, self.interruptions);
        out.hours = vec![DatabaseHourRow { hour, database: database(), seconds, snapshots, interruptions }];
        out
    }
}

/// Adds the increase of a table; returns whether anything was done to it.
pub(super) fn add_table(known: &mut TableActivity, increase: &TableActivity) -> bool {
    known.sequential_scans += increase.sequential_scans;
    known.sequential_rows += increase.sequential_rows;
    known.index_scans += increase.index_scans;
    known.index_rows += increase.index_rows;
    known.inserted += increase.inserted;
    known.updated += increase.updated;
    known.updated_hot += increase.updated_hot;
    known.deleted += increase.deleted;
    known.live = increase.live;
    known.dead = increase.dead;
    let done = [increase.sequential_scans, increase.index_scans, increase.inserted, increase.updated, increase.deleted];
    done.iter().any(|count| *count > 0.0)
}

/// Returns the counters of a stored row of a family.
pub(super) fn counters(row: &DatabaseStatementUseRow) -> StatementCounters {
    StatementCounters {
        calls: row.calls,
        total_ms: row.total_ms,
        squares: row.squares,
        longest_ms: row.longest_ms,
        planning_ms: row.planning_ms,
        rows: row.rows,
        hit: row.blocks_hit,
        read: row.blocks_read,
        temporary: row.blocks_temporary,
        wal: row.wal_bytes,
    }
}

/// Returns the counters of a stored row of a table.
pub(super) fn activity(row: &DatabaseTableUseRow) -> TableActivity {
    TableActivity {
        sequential_scans: row.sequential_scans,
        sequential_rows: row.sequential_rows,
        index_scans: row.index_scans,
        index_rows: row.index_rows,
        inserted: row.inserted,
        updated: row.updated,
        updated_hot: row.updated_hot,
        deleted: row.deleted,
        live: row.live,
        dead: row.dead,
        ..TableActivity::default()
    }
}

/// Returns name and counters of a stored row of an index.
pub(super) fn index(row: DatabaseIndexUseRow) -> (String, IndexCounters) {
    let counters = IndexCounters {
        table: row.relation,
        scans: row.scans,
        rows_read: row.rows_read,
        rows_fetched: row.rows_fetched,
    };
    (row.index_name, counters)
}
