//! State of the collector of one database between snapshots.

use std::collections::{BTreeMap, HashMap};

use almanac_models::Timestamp;

use super::{
    families::Families,
    hour::{Hour, activity, add_table, counters, index, start_of},
    series::Samples,
};
use crate::{
    database::{
        TableActivity,
        log::Timed,
        snapshot::{Difference, Event, IndexCounters, OTHER, Snapshot, StatementCounters, difference},
    },
    series::Labels,
    store::{
        Store, StoreError,
        rows::{DatabaseFilter, DatabaseUse},
    },
};

/// Tables and indexes with series.
const OBJECTS_MAX: usize = 5_000;
/// Executions in a span from which a percentile is estimated.
const CALLS_MIN: f64 = 10.0;
/// Longest text in a label.
const TEXT_MAX: usize = 500;
/// Text in place of a statement that the role may not see.
const HIDDEN: &str = "<insufficient privilege>";

/// What a collector may keep.
#[derive(Debug, Clone, Default)]
pub struct CollectorOptions {
    /// Name of the database in labels and rows.
    pub database: String,
    /// Whether normalised texts are kept.
    pub statements: bool,
    /// Whether values of parameters are kept.
    pub literals: bool,
}

/// Result of a snapshot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Taken {
    /// Samples at the time of the snapshot.
    pub samples: Vec<(Labels, f64)>,
    /// What interrupted the counting since the snapshot before.
    pub events: Vec<Event>,
}

/// Collector of one database.
#[derive(Debug)]
pub struct Collector {
    options: CollectorOptions,
    before: Option<Snapshot>,
    families: Families,
    other: StatementCounters,
    tables: BTreeMap<String, TableActivity>,
    indexes: BTreeMap<String, IndexCounters>,
    database: BTreeMap<String, f64>,
    server: BTreeMap<String, f64>,
    /// States and waits that were seen; they get 0 when nothing is in them.
    connections: BTreeMap<String, f64>,
    waits: BTreeMap<(String, String), f64>,
    hour: Hour,
    finished: Vec<DatabaseUse>,
}

impl Collector {
    /// Creates a collector that goes on from the stored rows.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn open(store: &Store, options: CollectorOptions, now: Timestamp) -> Result<Self, StoreError> {
        let name = options.database.as_str();
        let mut families = Families::default();
        for row in store.database_statements(name)? {
            families.load(row);
        }
        let (statements, tables, indexes) = store.database_sums(name)?;
        for row in &statements {
            families.load_sums(&row.family, counters(row));
        }
        let start_ms = start_of(now.millis());
        let filter =
            DatabaseFilter { database: name.to_owned(), from: Some(Timestamp::from_millis(start_ms)), until: None };
        let stored = DatabaseUse {
            statements: Vec::new(),
            statement_use: store.database_statement_use(&filter)?,
            table_use: store.database_table_use(&filter)?,
            index_use: store.database_index_use(&filter)?,
            hours: store.database_hours(&filter)?,
        };
        Ok(Self {
            before: None,
            families,
            // Which families it sums is not stored. A counter that starts at 0 is a reset; one that starts lower than it
            // was would count as that many executions at once.
            other: StatementCounters::default(),
            tables: tables.iter().map(|row| (row.relation.clone(), activity(row))).collect(),
            indexes: indexes.into_iter().map(index).collect(),
            database: BTreeMap::new(),
            server: BTreeMap::new(),
            connections: BTreeMap::new(),
            waits: BTreeMap::new(),
            hour: Hour::new(start_ms, stored),
            finished: Vec::new(),
            options,
        })
    }

    /// Returns the statements of a snapshot whose text is not known yet.
    #[must_use]
    pub fn unknown(&self, snapshot: &Snapshot) -> Vec<i64> {
        let mut unknown: Vec<i64> =
            snapshot.statements.keys().copied().filter(|queryid| self.families.of(*queryid).is_none()).collect();
        unknown.sort_unstable();
        unknown
    }

    /// Takes the texts of statements. Of each only the normalised form is kept, or only the fingerprint.
    pub fn learn(&mut self, texts: &[(i64, String)], at_ms: i64) {
        for (queryid, text) in texts.iter().filter(|(_, text)| text != HIDDEN) {
            self.families.learn(*queryid, text, at_ms, self.options.statements);
        }
    }

    /// Takes an execution that the server's log reports.
    ///
    /// Where texts are not kept, plans and values are not either: conditions of a plan are parts of the text.
    pub fn log(&mut self, timed: &Timed) {
        if self.options.statements {
            self.families.log(timed, self.options.literals);
        }
    }

    /// Takes a snapshot; the first one is what later ones are compared with.
    pub fn take(&mut self, snapshot: Snapshot) -> Taken {
        let at_ms = snapshot.at_ms;
        let found =
            self.before.as_ref().map(|before| difference(before, &snapshot, |queryid| self.families.of(queryid)));
        let mut taken = Taken::default();
        match &found {
            Some(found) => {
                self.add(found, at_ms);
                taken.events.clone_from(&found.events);
            }
            None => self.meet(&snapshot),
        }
        let mut samples = Samples::new(&self.options.database);
        for (name, state) in self.families.chosen() {
            samples.statement(name, &state.sums);
            if !state.text.is_empty() {
                let text: String = state.text.chars().take(TEXT_MAX).collect();
                samples.add("pg_statement_info", &[("family", name), ("statement", &text)], 1.0);
            }
            let increase = found.as_ref().and_then(|found| found.families.get(name));
            if let Some(p95) = increase.and_then(p95_seconds) {
                samples.add("pg_statement_p95_seconds_estimate", &[("family", name)], p95);
            }
        }
        if snapshot.has_statements {
            samples.statement(OTHER, &self.other);
        }
        for (name, sums) in heaviest(&self.tables, |table| table.live + table.sequential_rows + table.index_rows) {
            samples.table(name, sums);
        }
        for (name, sums) in heaviest(&self.indexes, |index| index.scans) {
            samples.index(name, sums);
        }
        for (kind, counters) in [("database", &self.database), ("server", &self.server)] {
            for (name, sum) in counters {
                samples.add(&format!("pg_{kind}_{name}_total"), &[], *sum);
            }
        }
        let mut activity = snapshot.activity.clone();
        self.connections.values_mut().for_each(|count| *count = 0.0);
        self.connections.append(&mut activity.connections);
        self.waits.values_mut().for_each(|count| *count = 0.0);
        self.waits.append(&mut activity.waits);
        activity.connections.clone_from(&self.connections);
        activity.waits.clone_from(&self.waits);
        samples.activity(&activity);
        taken.samples = samples.finish();
        self.before = Some(snapshot);
        taken
    }

    /// Takes from the first snapshot what the stored sums do not have: which objects still exist, and their levels.
    fn meet(&mut self, snapshot: &Snapshot) {
        self.tables.retain(|name, _| snapshot.tables.contains_key(name));
        self.indexes.retain(|name, _| snapshot.indexes.contains_key(name));
        for (name, known) in &mut self.tables {
            if let Some(now) = snapshot.tables.get(name) {
                (known.live, known.dead) = (now.live, now.dead);
            }
        }
    }

    fn add(&mut self, found: &Difference, at_ms: i64) {
        let start_ms = start_of(at_ms);
        if self.hour.start_ms() != start_ms {
            self.finished.push(self.hour.changed(&self.options.database));
            self.hour = Hour::new(start_ms, DatabaseUse::default());
        }
        self.families.add(&found.families, found.seconds, at_ms);
        for (name, increase) in &found.families {
            if !self.families.is_chosen(name) {
                self.other.add(increase);
            }
        }
        for (name, increase) in &found.tables {
            add_table(self.tables.entry(name.clone()).or_default(), increase);
        }
        // Objects that were dropped keep their rows, but have no samples.
        self.tables.retain(|name, _| found.tables.contains_key(name));
        for (name, increase) in &found.indexes {
            let known = self.indexes.entry(name.clone()).or_default();
            known.table.clone_from(&increase.table);
            known.scans += increase.scans;
            known.rows_read += increase.rows_read;
            known.rows_fetched += increase.rows_fetched;
        }
        self.indexes.retain(|name, _| found.indexes.contains_key(name));
        for (sums, increases) in [(&mut self.database, &found.database), (&mut self.server, &found.server)] {
            for (name, increase) in increases {
                *sums.entry(name.clone()).or_default() += increase;
            }
        }
        self.hour.add(found);
    }

    /// Returns the rows that changed since the last call, to be written.
    pub fn changed(&mut self) -> DatabaseUse {
        let mut all = self.hour.changed(&self.options.database);
        all.statements = self.families.changed(&self.options.database);
        for mut finished in self.finished.drain(..) {
            all.statement_use.append(&mut finished.statement_use);
            all.table_use.append(&mut finished.table_use);
            all.index_use.append(&mut finished.index_use);
            all.hours.append(&mut finished.hours);
        }
        all
    }
}

/// Returns the estimated 95th percentile of a span's executions, in seconds.
fn p95_seconds(increase: &StatementCounters) -> Option<f64> {
    let deviation_ms = Some(increase.deviation_ms());
    let (calls, total_ms) = (increase.calls, increase.total_ms);
    let span = crate::database::StatementUse { calls, total_ms, deviation_ms, ..Default::default() };
    (calls >= CALLS_MIN).then(|| span.p95_estimate_ms()).flatten().map(|ms| ms / 1_000.0)
}

/// Returns the entries with series: all, or the heaviest.
fn heaviest<T>(all: &BTreeMap<String, T>, weight: impl Fn(&T) -> f64) -> Vec<(&String, &T)> {
    let mut entries: Vec<(&String, &T)> = all.iter().collect();
    if entries.len() > OBJECTS_MAX {
        let weights: HashMap<&String, f64> = entries.iter().map(|(name, value)| (*name, weight(value))).collect();
        let of = |name: &String| weights.get(name).copied().unwrap_or_default();
        entries.sort_by(|a, b| of(b.0).total_cmp(&of(a.0)).then_with(|| a.0.cmp(b.0)));
        entries.truncate(OBJECTS_MAX);
    }
    entries
}
