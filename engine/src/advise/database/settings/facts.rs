//! Facts of the advisor on settings: those of the database, with its sessions, its reads, and hours of families and tables.

use std::collections::BTreeMap;

use almanac_models::Timestamp;

use crate::{
    advise::{
        FetchError, Sources,
        database::{DatabaseFacts, DatabaseSpec},
        kit::one_value,
    },
    database::memory,
    store::rows::DatabaseFilter,
};

/// Span of the facts, in milliseconds: a week, as of the statements.
const SPAN_MS: i64 = 7 * 86_400_000;
/// Seconds of an hour.
const HOUR_S: f64 = 3_600.0;
/// Least observed seconds of an hour that counts.
const HOUR_OBSERVED_MIN_S: f64 = 600.0;

/// Facts of a watched database for advice on its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsFacts {
    /// Catalogue and workload.
    pub database: DatabaseFacts,
    /// Sessions of the span; none: they were not observed.
    pub sessions: Option<Sessions>,
    /// Blocks that the database asked for; none: they were not observed.
    pub reads: Option<Reads>,
    /// The busiest hour of each statement family.
    pub busiest: BTreeMap<String, HourOfFamily>,
    /// Hours of each table (`schema.name`), the oldest first.
    pub tables: BTreeMap<String, Vec<HourOfTable>>,
    /// Age of the oldest transaction at its highest, in seconds; none: it was not observed.
    pub oldest_transaction: Option<f64>,
    /// Memory of the server in bytes, as the configuration states it.
    pub memory: Option<f64>,
}

/// Sessions over the span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sessions {
    /// Most sessions of all databases of the server.
    pub peak: f64,
    /// 99th percentile of the active sessions of this database.
    pub active: f64,
    /// Snapshots that they rest on.
    pub snapshots: f64,
}

/// Blocks of 8 KiB that statements asked for over the span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reads {
    /// Blocks found in shared buffers.
    pub hit: f64,
    /// Blocks read from outside them.
    pub read: f64,
    /// Time of reading them, in milliseconds; 0 without `track_io_timing`.
    pub ms: f64,
}

/// What a statement family did in its busiest hour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HourOfFamily {
    /// Mean number of executions that run at one time: execution time over observed time.
    pub concurrency: f64,
}

/// What was done to a table in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HourOfTable {
    /// Live rows at its end.
    pub live: f64,
    /// Dead rows at its end.
    pub dead: f64,
    /// Rows inserted.
    pub inserted: f64,
    /// Rows updated.
    pub updated: f64,
    /// Rows updated without new index entries.
    pub updated_hot: f64,
    /// Rows deleted.
    pub deleted: f64,
}

impl HourOfTable {
    /// Returns the share of dead rows, in [0, 1]; none for an empty table.
    #[must_use]
    pub fn dead_share(&self) -> Option<f64> {
        let all = self.live + self.dead;
        (all > 0.0).then(|| self.dead / all)
    }
}

impl SettingsFacts {
    /// Wraps facts without a connection: sessions, reads and hours are unknown.
    #[must_use]
    pub fn exported(database: DatabaseFacts, spec: &DatabaseSpec) -> Self {
        Self {
            database,
            sessions: None,
            reads: None,
            busiest: BTreeMap::new(),
            tables: BTreeMap::new(),
            oldest_transaction: None,
            memory: spec.memory.as_deref().and_then(|text| memory::bytes(text, 1.0)),
        }
    }

    /// Reads what the collector stored.
    ///
    /// # Errors
    /// As [`DatabaseFacts::fetch`].
    pub fn fetch(from: &Sources<'_>, spec: &DatabaseSpec, now: Timestamp) -> Result<Self, FetchError> {
        let mut facts = Self::exported(DatabaseFacts::fetch(from, spec, now)?, spec);
        let database = &spec.name;
        let value = |expr: String| one_value(from.store, &expr, now);
        let gauge = |metric: &str, further: &str| format!("{metric}{{database=\"{database}\"{further}}}[7d]");
        let peak = value(format!("max_over_time({})", gauge("pg_server_connections", "")))?;
        let active = value(format!("quantile_over_time(0.99, {})", gauge("pg_connections", ",state=\"active\"")))?;
        let snapshots = value(format!("count_over_time({})", gauge("pg_server_connections", "")))?;
        if let (Some(peak), Some(snapshots)) = (peak, snapshots) {
            facts.sessions = Some(Sessions { peak, active: active.unwrap_or(0.0), snapshots });
        }
        let increase = |name: &str| value(format!("increase({})", gauge(&format!("pg_database_{name}_total"), "")));
        if let (Some(hit), Some(read)) = (increase("blocks_hit")?, increase("blocks_read")?) {
            facts.reads = Some(Reads { hit, read, ms: increase("read_milliseconds")?.unwrap_or(0.0) });
        }
        facts.oldest_transaction = value(format!("max_over_time({})", gauge("pg_oldest_transaction_seconds", "")))?;
        facts.read_hours(from, database, now)?;
        Ok(facts)
    }

    fn read_hours(&mut self, from: &Sources<'_>, database: &str, now: Timestamp) -> Result<(), FetchError> {
        let filter =
            DatabaseFilter { database: database.to_owned(), from: Some(now.plus_millis(-SPAN_MS)), until: Some(now) };
        let seconds: BTreeMap<i64, f64> =
            from.store.database_hours(&filter)?.iter().map(|row| (row.hour.millis(), row.seconds)).collect();
        let observed = |hour: Timestamp| {
            seconds.get(&hour.millis()).map(|seconds| seconds.min(HOUR_S)).filter(|s| *s >= HOUR_OBSERVED_MIN_S)
        };
        for row in from.store.database_statement_use(&filter)? {
            if let Some(seconds) = observed(row.hour) {
                let busiest = self.busiest.entry(row.family).or_default();
                busiest.concurrency = busiest.concurrency.max(row.total_ms / 1_000.0 / seconds);
            }
        }
        let mut rows = from.store.database_table_use(&filter)?;
        rows.sort_by_key(|row| row.hour);
        for row in rows {
            let hour = HourOfTable {
                live: row.live,
                dead: row.dead,
                inserted: row.inserted,
                updated: row.updated,
                updated_hot: row.updated_hot,
                deleted: row.deleted,
            };
            self.tables.entry(row.relation).or_default().push(hour);
        }
        Ok(())
    }

    /// Returns the observed days, at least a minute.
    #[must_use]
    pub fn days(&self) -> f64 {
        self.database.workload.seconds.unwrap_or(86_400.0).max(60.0) / 86_400.0
    }

    /// Returns a number from the settings, as `current_setting` prints it; none if it is unknown.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.database.catalogue.setting(name)?.trim().parse().ok()
    }

    /// Returns a setting in bytes; a number without a unit is of `unit` bytes.
    #[must_use]
    pub fn bytes(&self, name: &str, unit: f64) -> Option<f64> {
        memory::bytes(self.database.catalogue.setting(name)?, unit)
    }

    /// Returns whether a setting is on; none if it is unknown.
    #[must_use]
    pub fn is_on(&self, name: &str) -> Option<bool> {
        self.database.catalogue.setting(name).map(|value| matches!(value, "on" | "true" | "yes" | "1"))
    }
}
