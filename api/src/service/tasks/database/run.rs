//! The loop that reads one database.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use almanac_engine::{
    advise::database::DatabaseSpec,
    database::{
        Lack,
        read::{self, Server},
        snapshot::Snapshot,
    },
    ingest::database::{Collector, CollectorOptions, catalogue_samples},
    series::{Labels, METRIC_NAME},
    store::{Store, StoreError, rows::DatabaseCatalogueRow},
};
use almanac_models::Timestamp;
use tokio::task::JoinSet;

use super::{
    super::super::schedule::{TaskError, kept_running},
    store,
    tail::Tail,
};
use crate::{
    chain,
    database::{Address, DatabaseClient, DatabaseError},
    http::AppState,
};

/// Time between two readings of the catalogue.
const CATALOGUE_EVERY: Duration = Duration::from_secs(600);
/// Shortest time between two readings of the catalogue, when tables or indexes changed.
const CATALOGUE_AFTER_CHANGE: Duration = Duration::from_secs(60);
/// Time limit of the statement that reads the catalogue.
const CATALOGUE_LIMIT: &str = "SET statement_timeout = '20s'";
/// Longest time between two attempts to reach a database that is away.
const RETRY_LONGEST: Duration = Duration::from_secs(300);
/// Longest time between two writes of rows.
const WRITE_EVERY: Duration = Duration::from_secs(30);
/// Time after a leap of the clock without snapshots, in milliseconds.
const LEAP_MS: i64 = 15_000;
/// Name of the task in metrics.
const TASK: &str = "database";

/// Starts one task for each configured database.
pub(in crate::service::tasks) fn start(state: &AppState, background: &mut JoinSet<()>) {
    for spec in state.config.databases.clone() {
        let owned = state.clone();
        background.spawn(kept_running(state.clone(), TASK, move || watch(owned.clone(), spec.clone())));
    }
}

/// State of a watched database while the service runs.
struct Watched {
    spec: DatabaseSpec,
    folder: PathBuf,
    collector: Option<Collector>,
    session: Option<(DatabaseClient, Server)>,
    tail: Option<Tail>,
    tail_error: Option<String>,
    /// When the catalogue was read, and the names of tables and indexes then.
    catalogue: Option<(Instant, BTreeSet<String>)>,
    /// Why the catalogue could not be read last.
    catalogue_failure: Option<String>,
    lacks: Vec<Lack>,
    written: Option<Instant>,
    failure: Option<String>,
    failures: u32,
}

/// Takes snapshots of a database until the service shuts down.
async fn watch(state: AppState, spec: DatabaseSpec) {
    let every = Duration::from_millis(u64::try_from(spec.every_ms).unwrap_or(60_000));
    let folder = state.config.folder.clone();
    let mut tail = spec.log.as_ref().map(|path| Tail::new(folder.join(path)));
    if let Some(tail) = &mut tail {
        // From here on entries count, also those that are written before the first snapshot. A failure is logged then.
        let _ = tokio::task::block_in_place(|| tail.poll());
    }
    let mut watched = Watched {
        spec,
        folder,
        collector: None,
        session: None,
        tail,
        tail_error: None,
        catalogue: None,
        catalogue_failure: None,
        lacks: Vec::new(),
        written: None,
        failure: None,
        failures: 0,
    };
    loop {
        let started = Instant::now();
        // The future is dropped at shutdown: the connection closes, and the server cancels the statement.
        let result = tokio::select! {
            () = state.stopping.cancelled() => break,
            result = watched.round(&state) => result,
        };
        let failed = result.is_err();
        state.metrics.task(TASK, started.elapsed().as_secs_f64(), failed);
        watched.report(&state, result).await;
        let wait = if failed { retry_after(every, watched.failures) } else { every.saturating_sub(started.elapsed()) };
        tokio::select! {
            () = state.stopping.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    watched.write(&state).await;
}

/// Returns the time until the next attempt: the interval, doubled with each failure.
fn retry_after(every: Duration, failures: u32) -> Duration {
    let doubled = every.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(RETRY_LONGEST).max(every)
}

impl Watched {
    /// Takes one snapshot and stores what it shows.
    async fn round(&mut self, state: &AppState) -> Result<(), TaskError> {
        if self.collector.is_none() {
            let options = CollectorOptions {
                database: self.spec.name.clone(),
                statements: self.spec.statements,
                literals: self.spec.literals,
            };
            let now = state.clock.now();
            let opened = blocking(state, move |store| {
                store::describe(store, now)?;
                Collector::open(store, options, now)
            });
            self.collector = Some(opened.await?);
        }
        if self.session.as_ref().is_none_or(|(client, _)| client.is_closed()) {
            self.session = None;
            self.connect().await?;
        }
        let result = self.read(state).await;
        if result.is_err() {
            // A connection that failed once may be in any state.
            self.session = None;
        }
        result
    }

    async fn connect(&mut self) -> Result<(), TaskError> {
        let address = Address::of(&self.spec, &self.folder)?;
        let client = DatabaseClient::connect(&address).await?;
        let server = described(&client).await?;
        if let Some(refusal) = server.refusal() {
            return Err(format!("{}: {}", refusal.missing, refusal.remedy).into());
        }
        self.note_lacks(server.lacks(self.spec.literals));
        // Rights and extensions may differ from those of the connection before.
        self.catalogue = None;
        self.session = Some((client, server));
        Ok(())
    }

    async fn read(&mut self, state: &AppState) -> Result<(), TaskError> {
        let (Some((client, server)), Some(collector)) = (&self.session, &mut self.collector) else { return Ok(()) };
        let Some(now) = believed_now(state) else { return Ok(()) };
        let counters = client.run("the counters", &read::counters(server)).await?.unwrap_or_default();
        let statements = match read::statements(server) {
            Some(sql) => client.run("the statements", &sql).await?,
            None => None,
        };
        let snapshot = Snapshot::read(now.millis(), &counters, statements.as_deref())?;
        let unknown = collector.unknown(&snapshot);
        if !unknown.is_empty()
            && let Some(sql) = read::statement_texts(server, &unknown)
        {
            let texts = client.run("the texts of statements", &sql).await?;
            let texts = read::texts(texts.as_deref())?;
            // Thousands of texts after a start take a while.
            tokio::task::block_in_place(|| collector.learn(&texts, now.millis()));
        }
        let names: BTreeSet<String> = snapshot.tables.keys().chain(snapshot.indexes.keys()).cloned().collect();
        if let Some(tail) = &mut self.tail {
            match tokio::task::block_in_place(|| tail.poll()) {
                Ok(found) => {
                    self.tail_error = None;
                    // The log is that of all databases of the server; its text format does not say which.
                    let is_own = |name: &str| name == server.database;
                    let own = found.iter().filter(|timed| timed.database.as_deref().is_none_or(is_own));
                    own.for_each(|timed| collector.log(timed));
                }
                Err(error) => {
                    let text = error.to_string();
                    if self.tail_error.as_ref() != Some(&text) {
                        tracing::warn!(
                            database = self.spec.name,
                            error = text,
                            "the log of the database cannot be read"
                        );
                        self.tail_error = Some(text);
                    }
                }
            }
        }
        let mut taken = tokio::task::block_in_place(|| collector.take(snapshot));
        for event in &taken.events {
            tracing::info!(
                database = self.spec.name,
                event = event.as_str(),
                "the counting of the database was interrupted"
            );
        }
        taken.samples.extend(is_up(&self.spec.name, true));
        // Rows before samples: after a crash counters go on from the rows, and a lower start would be a reset.
        if self.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) {
            self.write(state).await;
        }
        blocking(state, move |store| store::samples(store, now, &taken.samples)).await?;
        self.read_catalogue(state, names, now).await
    }

    /// Reads the catalogue, with rights and extensions, if it is due or if tables and indexes changed. An error of the
    /// server, such as its time limit, is logged, and counters are read all the same.
    async fn read_catalogue(
        &mut self,
        state: &AppState,
        names: BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), TaskError> {
        let Some((client, server)) = &mut self.session else { return Ok(()) };
        let is_due = self.catalogue.as_ref().is_none_or(|(read_at, known)| {
            read_at.elapsed() >= CATALOGUE_EVERY || (*known != names && read_at.elapsed() >= CATALOGUE_AFTER_CHANGE)
        });
        if !is_due {
            return Ok(());
        }
        // The person who reads a warning supplies what is missing while the connection is open.
        *server = described(client).await?;
        let lacks = server.lacks(self.spec.literals);
        client.run("the session", CATALOGUE_LIMIT).await?;
        let answer = client.run("the catalogue", &read::catalogue(server, self.spec.literals)).await;
        client.run("the session", read::SESSION).await?;
        let json = match answer {
            Ok(json) => json.unwrap_or_default(),
            Err(error @ DatabaseError::Query { .. }) => {
                let text = error.to_string();
                if self.catalogue_failure.as_ref() != Some(&text) {
                    tracing::warn!(
                        database = self.spec.name,
                        error = text,
                        "the catalogue of the database cannot be read"
                    );
                    self.catalogue_failure = Some(text);
                }
                self.catalogue = Some((Instant::now(), names));
                self.note_lacks(lacks);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.catalogue_failure = None;
        let catalogue = server.catalogue(&json, self.spec.literals)?;
        self.note_lacks(lacks);
        let samples = catalogue_samples(&self.spec.name, &catalogue);
        let row = DatabaseCatalogueRow {
            database: self.spec.name.clone(),
            read_at: now,
            catalogue: serde_json::to_value(&catalogue)?,
        };
        blocking(state, move |store| {
            store.put_database_catalogue(row)?;
            store::samples(store, now, &samples)
        })
        .await?;
        self.catalogue = Some((Instant::now(), names));
        Ok(())
    }

    /// Writes the rows of the hour; a failure is logged.
    async fn write(&mut self, state: &AppState) {
        let Some(collector) = &mut self.collector else { return };
        let rows = collector.changed();
        // The first snapshot has no increase.
        if rows.hours.is_empty() && rows.statements.is_empty() {
            return;
        }
        self.written = Some(Instant::now());
        if let Err(error) = blocking(state, move |store| store.put_database_use(rows)).await {
            tracing::warn!(database = self.spec.name, error = %chain(error.as_ref()), "rows of the database were not stored");
        }
    }

    /// Logs what the server or the role lacks, each once.
    fn note_lacks(&mut self, lacks: Vec<Lack>) {
        for lack in lacks.iter().filter(|lack| !self.lacks.contains(lack)) {
            tracing::warn!(
                database = self.spec.name,
                missing = lack.missing,
                remedy = lack.remedy,
                "the database cannot be read whole"
            );
        }
        self.lacks = lacks;
    }

    /// Logs a failure when it is new, and the end of one; stores that the database is away.
    async fn report(&mut self, state: &AppState, result: Result<(), TaskError>) {
        let Err(error) = result else {
            if self.failure.take().is_some() {
                tracing::info!(database = self.spec.name, "the database is read again");
            }
            self.failures = 0;
            return;
        };
        let text = chain(error.as_ref());
        self.failures = self.failures.saturating_add(1);
        if self.failure.as_ref() != Some(&text) {
            tracing::warn!(database = self.spec.name, error = text, "the database cannot be read; it is tried again");
            self.failure = Some(text);
        }
        let (now, samples) = (state.clock.now(), is_up(&self.spec.name, false));
        if let Err(error) = blocking(state, move |store| store::samples(store, now, &samples)).await {
            tracing::warn!(database = self.spec.name, error = %chain(error.as_ref()), "the state of the database was not stored");
        }
    }
}

/// Asks for version, extensions and rights.
async fn described(client: &DatabaseClient) -> Result<Server, TaskError> {
    let json = client.run("the server", read::SERVER).await?.unwrap_or_default();
    Ok(Server::read(&json)?)
}

/// Returns the time for a snapshot; `None` shortly after a leap of the clock, because samples in the future would make
/// later ones late.
fn believed_now(state: &AppState) -> Option<Timestamp> {
    match state.steady_now() {
        Ok(now) => Some(now),
        Err(leap) => (leap.ago_ms >= LEAP_MS).then(|| state.clock.now()),
    }
}

/// Returns the sample that says whether a database could be read.
fn is_up(database: &str, up: bool) -> Vec<(Labels, f64)> {
    let labels = Labels::from_pairs([(METRIC_NAME, "pg_up"), ("database", database)]);
    labels.ok().map(|labels| (labels, f64::from(u8::from(up)))).into_iter().collect()
}

/// Runs work on the store on a thread that may block.
async fn blocking<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, TaskError> {
    let store = state.store.clone();
    match tokio::task::spawn_blocking(move || work(&store)).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err("the service is shutting down".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_up_to_five_minutes() {
        let check = |every: u64, failures: u32, expected: u64| {
            assert_eq!(retry_after(Duration::from_secs(every), failures), Duration::from_secs(expected));
        };
        check(5, 1, 5);
        check(5, 4, 40);
        check(5, 40, 300);
        check(600, 3, 600);
    }
}
