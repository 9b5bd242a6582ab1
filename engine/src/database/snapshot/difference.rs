//! What happened between two snapshots.

use std::collections::{BTreeMap, HashMap};

use super::counters::{IndexCounters, Snapshot, StatementCounters};
use crate::database::{
    catalogue::TableActivity,
    workload::{StatementUse, TableWrites, Workload},
};

/// Name of the sum of statements that are not listed one by one.
pub const OTHER: &str = "other";

/// What interrupts the counting between two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The server was started again.
    Restart,
    /// The statistics of statements were reset.
    StatementReset,
    /// The statistics of tables and indexes were reset, or objects were created again.
    TableReset,
    /// `pg_stat_statements` evicted statements: `pg_stat_statements.max` is too small for the workload.
    Eviction,
}

impl Event {
    /// Returns the event as a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::StatementReset => "statement_reset",
            Self::TableReset => "table_reset",
            Self::Eviction => "eviction",
        }
    }
}

/// Increases between two snapshots.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Difference {
    /// Seconds between the snapshots.
    pub seconds: f64,
    /// Increases by family; [`OTHER`] is the sum of statements that are not listed or whose text is unknown.
    pub families: HashMap<String, StatementCounters>,
    /// Increases by table (`schema.name`).
    pub tables: BTreeMap<String, TableActivity>,
    /// Increases by index (`schema.name`).
    pub indexes: BTreeMap<String, IndexCounters>,
    /// Increases of the database's counters by name.
    pub database: BTreeMap<String, f64>,
    /// Increases of the server's counters by name.
    pub server: BTreeMap<String, f64>,
    /// What interrupted the counting, each once.
    pub events: Vec<Event>,
}

/// Returns what happened between two snapshots of one database. `family` gives the family of a `queryid`, if its text is
/// known.
///
/// After a reset, an eviction or a restart the increase is what was counted since then: at most what happened. A
/// statement that is new in a snapshot with all statements counts from its first execution; one that was not listed
/// before, because it was not among the heaviest, counts from now on. After a failover to another server nothing is
/// known of the span.
pub fn difference<'a>(before: &Snapshot, after: &Snapshot, family: impl Fn(i64) -> Option<&'a str>) -> Difference {
    #[expect(clippy::cast_precision_loss, reason = "a span in milliseconds is below 2^53")]
    let seconds = (after.at_ms.saturating_sub(before.at_ms)).max(0) as f64 / 1_000.0;
    let mut found = Difference { seconds, ..Difference::default() };
    // The clock of the server may be corrected a little while it runs.
    if (after.started - before.started).abs() > 2.0 {
        found.events.push(Event::Restart);
    }
    let is_other = is_other_server(before, after);
    if is_other {
        found.events.push(Event::StatementReset);
    }
    // Compared with itself, a snapshot has no increases, only levels.
    let before = if is_other { after } else { before };
    if before.has_statements && after.has_statements {
        statements(before, after, family, &mut found);
    }
    tables(before, after, &mut found);
    found.database = rises(&before.database, &after.database);
    found.server = rises(&before.server, &after.server);
    found.events.sort_unstable();
    found.events.dedup();
    found
}

/// Whether the later snapshot is of another server, as after a failover: the reset that it knows of is not that of the
/// earlier one, and came before the earlier one was taken.
fn is_other_server(before: &Snapshot, after: &Snapshot) -> bool {
    /// Difference of the clocks of Almanac and the server that is allowed for, in seconds.
    const SKEW_S: f64 = 60.0;
    #[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is below 2^53")]
    let taken = before.at_ms as f64 / 1_000.0;
    match (before.reset, after.reset) {
        (Some(known), Some(reset)) => (reset - known).abs() > 1e-3 && reset < taken - SKEW_S,
        _ => false,
    }
}

fn statements<'a>(
    before: &Snapshot,
    after: &Snapshot,
    family: impl Fn(i64) -> Option<&'a str>,
    found: &mut Difference,
) {
    let is_reset = match (before.reset, after.reset) {
        (Some(before), Some(after)) => (after - before).abs() > 1e-3,
        _ => false,
    };
    if is_reset {
        found.events.push(Event::StatementReset);
    }
    let evicted = before.evictions.zip(after.evictions).is_some_and(|(before, after)| after > before && !is_reset);
    if evicted {
        found.events.push(Event::Eviction);
    }
    let mut listed = StatementCounters::default();
    let mut fallen = 0_usize;
    for (queryid, now) in &after.statements {
        let increase = match before.statements.get(queryid) {
            _ if is_reset => *now,
            Some(then) if now.fell(then) => {
                fallen += 1;
                *now
            }
            Some(then) => now.since(then),
            None if before.is_complete => *now,
            None => continue,
        };
        if increase.calls > 0.0 || increase.total_ms > 0.0 {
            listed.add(&increase);
            let name = family(*queryid).unwrap_or(OTHER).to_owned();
            found.families.entry(name).or_default().add(&increase);
        }
    }
    // Without the count of resets and evictions (PostgreSQL 13) counters that fall show them: all fall in a reset.
    if fallen > 0 && !is_reset && !evicted {
        let is_most = fallen * 2 > after.statements.keys().filter(|id| before.statements.contains_key(id)).count();
        found.events.push(if is_most { Event::StatementReset } else { Event::Eviction });
    }
    // Statements beyond the heaviest; after an eviction the sum fell by an unknown part, so nothing is known of them.
    let all_is_listed = before.is_complete && after.is_complete;
    let is_interrupted = is_reset || evicted || fallen > 0 || after.total.fell(&before.total);
    if !all_is_listed && !is_interrupted {
        let rest = after.total.since(&before.total).since(&listed);
        if rest.calls > 0.0 {
            found.families.entry(OTHER.to_owned()).or_default().add(&StatementCounters { longest_ms: 0.0, ..rest });
        }
    }
}

fn tables(before: &Snapshot, after: &Snapshot, found: &mut Difference) {
    let mut is_reset = false;
    for (name, now) in &after.tables {
        let then = before.tables.get(name).copied().unwrap_or_default();
        let fell = [
            (now.sequential_scans, then.sequential_scans),
            (now.index_scans, then.index_scans),
            (now.inserted, then.inserted),
            (now.updated, then.updated),
            (now.deleted, then.deleted),
        ]
        .iter()
        .any(|(now, then)| now < then);
        is_reset |= fell;
        let then = if fell { TableActivity::default() } else { then };
        let rise = |now: f64, then: f64| (now - then).max(0.0);
        let increase = TableActivity {
            sequential_scans: rise(now.sequential_scans, then.sequential_scans),
            sequential_rows: rise(now.sequential_rows, then.sequential_rows),
            index_scans: rise(now.index_scans, then.index_scans),
            index_rows: rise(now.index_rows, then.index_rows),
            inserted: rise(now.inserted, then.inserted),
            updated: rise(now.updated, then.updated),
            updated_hot: rise(now.updated_hot, then.updated_hot),
            updated_new_page: now.updated_new_page.map(|now| rise(now, then.updated_new_page.unwrap_or_default())),
            deleted: rise(now.deleted, then.deleted),
            // Levels, not counters.
            live: now.live,
            dead: now.dead,
            changed_since_analyze: now.changed_since_analyze,
            vacuums: rise(now.vacuums, then.vacuums),
            analyzes: rise(now.analyzes, then.analyzes),
            seconds: Some(found.seconds),
        };
        found.tables.insert(name.clone(), increase);
    }
    for (name, now) in &after.indexes {
        let then = before.indexes.get(name).filter(|then| then.scans <= now.scans && then.rows_read <= now.rows_read);
        is_reset |= then.is_none() && before.indexes.contains_key(name);
        let then = then.cloned().unwrap_or_default();
        let rise = |now: f64, then: f64| (now - then).max(0.0);
        let increase = IndexCounters {
            table: now.table.clone(),
            scans: rise(now.scans, then.scans),
            rows_read: rise(now.rows_read, then.rows_read),
            rows_fetched: rise(now.rows_fetched, then.rows_fetched),
        };
        found.indexes.insert(name.clone(), increase);
    }
    if is_reset {
        found.events.push(Event::TableReset);
    }
}

/// Returns the increase of each counter; one that fell counts from 0, and one that is new has no increase yet.
fn rises(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let rise = |(name, now): (&String, &f64)| {
        let then = before.get(name)?;
        Some((name.clone(), if now >= then { now - then } else { *now }))
    };
    after.iter().filter_map(rise).collect()
}

impl Difference {
    /// Whether counters may be incomplete.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns the increases as a workload; `text` gives the normalised text of a family.
    pub fn workload<'a>(&self, text: impl Fn(&str) -> Option<&'a str>) -> Workload {
        let mut statements: Vec<StatementUse> = self
            .families
            .iter()
            .filter(|(family, _)| *family != OTHER)
            .map(|(family, counters)| StatementUse {
                family: family.clone(),
                statement: text(family).unwrap_or_default().to_owned(),
                calls: counters.calls,
                total_ms: counters.total_ms,
                deviation_ms: Some(counters.deviation_ms()),
                longest_ms: Some(counters.longest_ms).filter(|longest| *longest > 0.0),
                planning_ms: Some(counters.planning_ms).filter(|planning| *planning > 0.0),
                rows: counters.rows,
                blocks_hit: counters.hit,
                blocks_read: counters.read,
                blocks_temporary: counters.temporary,
                wal_bytes: Some(counters.wal),
                parameters: Vec::new(),
            })
            .collect();
        statements.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms).then_with(|| a.family.cmp(&b.family)));
        let writes = self.tables.iter().map(|(name, table)| {
            let writes = TableWrites {
                inserted: table.inserted,
                updated: table.updated,
                updated_hot: table.updated_hot,
                deleted: table.deleted,
            };
            (name.clone(), writes)
        });
        let other = self.families.get(OTHER).copied().unwrap_or_default();
        Workload {
            other_calls: other.calls,
            other_ms: other.total_ms,
            seconds: Some(self.seconds),
            statements,
            writes: writes.collect(),
            index_scans: self.indexes.iter().map(|(name, index)| (name.clone(), index.scans)).collect(),
            incomplete: self.is_incomplete(),
            plans: Vec::new(),
        }
    }
}
