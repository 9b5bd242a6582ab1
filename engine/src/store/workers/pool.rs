//! The workers of a store: starts them, gives each statement one, and replaces those that end.

use std::{
    fmt,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    run::{Reply, Request, Service, run, warm},
    snapshot::Snapshot,
};
use crate::isolation::Process;
use crate::store::{
    EvaluatePromql, SqlAnswer, SqlCancel, SqlDescription, SqlDialect, SqlError, SqlLimits, SqlParam, Store, StoreError,
    shared::{CHECKPOINT_WAIT, Shared, count},
    sql::Permits,
};

/// Time that a new worker has to open the file.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How worker processes are started.
pub struct WorkerOptions {
    /// Returns the command of a process that calls [`serve_sql`](super::serve_sql) with its standard input and output.
    pub command: Box<dyn Fn() -> Command + Send + Sync>,
    /// Number of workers: statements that run at once.
    pub workers: usize,
    /// Evaluates `promql` in statements; without it such a statement is refused.
    pub promql: Option<Arc<dyn EvaluatePromql>>,
}

impl fmt::Debug for WorkerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerOptions").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// Counts of a store's workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerStats {
    /// Workers that are running.
    pub running: u64,
    /// Workers started since the store was opened.
    pub started: u64,
    /// Workers that a statement ended: by a crash, by its memory, or by not stopping at its deadline.
    pub ended: u64,
}

/// A statement with what it takes.
#[derive(Debug, Clone, Copy)]
pub struct SqlCall<'a> {
    /// The statement.
    pub sql: &'a str,
    /// Values of its parameters; none to describe it.
    pub params: &'a [SqlParam],
    /// How it is read.
    pub dialect: &'a SqlDialect,
    /// Limits.
    pub limits: SqlLimits,
    /// Stops it before its deadline.
    pub cancel: Option<&'a SqlCancel>,
}

/// Runs analysts' SQL on a store in worker processes. Clones share the workers, which end with the last clone.
#[derive(Debug, Clone)]
pub struct SqlWorkers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    shared: Arc<Shared>,
    snapshot: Snapshot,
    options: WorkerOptions,
    permits: Permits,
    idle: Mutex<Vec<Process>>,
    running: AtomicU64,
    started: AtomicU64,
    ended: AtomicU64,
    is_closed: AtomicBool,
}

/// One of a number of things that run; until it is dropped.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(all: &'a AtomicU64) -> Self {
        all.fetch_add(1, Ordering::AcqRel);
        Self(all)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl SqlWorkers {
    /// Starts the workers of a store in the background.
    ///
    /// # Errors
    /// `Open` when the file cannot be opened a second time, which workers need.
    pub fn start(store: &Store, options: WorkerOptions) -> Result<Self, StoreError> {
        let shared = Arc::clone(&store.0.shared);
        let snapshot = Snapshot::new(&shared.path)
            .map_err(|error| StoreError::Open { path: shared.path.clone(), detail: error.to_string() })?;
        // Workers read the last checkpoint: it must have the present schema, and should have the merged log.
        if let Err(error) = shared.checkpoint(CHECKPOINT_WAIT) {
            tracing::warn!(error = &error as &dyn std::error::Error, "checkpoint before SQL failed");
        }
        let workers = options.workers.max(1);
        let pool = Arc::new(Pool {
            shared,
            snapshot,
            permits: Permits::new(workers),
            options: WorkerOptions { workers, ..options },
            idle: Mutex::default(),
            running: AtomicU64::new(0),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        });
        for _ in 0..workers {
            pool.refill();
        }
        Ok(Self(pool))
    }

    /// Checks a statement, runs it within its limits in a worker, and returns the rows. Blocks.
    ///
    /// # Errors
    /// [`SqlError`], each with a stable code.
    pub fn run(&self, sql: &str, params: &[SqlParam], limits: SqlLimits) -> Result<SqlAnswer, SqlError> {
        self.call(SqlCall { sql, params, limits, dialect: &SqlDialect::DuckDb, cancel: None })
    }

    /// Runs a statement like [`SqlWorkers::run`], in its dialect and until it is cancelled. Blocks.
    ///
    /// # Errors
    /// As [`SqlWorkers::run`]; `Cancelled`. A cancelled statement ends its worker, which is replaced.
    pub fn call(&self, call: SqlCall<'_>) -> Result<SqlAnswer, SqlError> {
        match self.exchange(call, false)? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Description(_) => Err(SqlError::Crashed { detail: "unexpected message of a worker".to_owned() }),
        }
    }

    /// Checks a statement and returns its columns and parameters; it is bound, and nothing runs. Blocks.
    ///
    /// # Errors
    /// As [`SqlWorkers::call`].
    pub fn describe(&self, call: SqlCall<'_>) -> Result<SqlDescription, SqlError> {
        match self.exchange(call, true)? {
            Reply::Description(description) => Ok(description),
            Reply::Answer(_) => Err(SqlError::Crashed { detail: "unexpected message of a worker".to_owned() }),
        }
    }

    fn exchange(&self, call: SqlCall<'_>, describes: bool) -> Result<Reply, SqlError> {
        let pool = &self.0;
        let analyst = pool.shared.options.analyst;
        let length = call.sql.len() as u64;
        let limit = analyst.sql_bytes as u64;
        if length > limit {
            return Err(SqlError::TooComplex { what: "length in bytes".into(), found: length, limit });
        }
        let deadline = call.limits.deadline;
        let end = Instant::now() + deadline;
        let late = SqlError::Deadline { deadline };
        let never = SqlCancel::default();
        let _permit = pool.permits.acquire_unless(end, &late, call.cancel.unwrap_or(&never))?;
        // A worker that does not start in time is late, whatever kept it.
        let mut process = pool.take(end).map_err(|error| if Instant::now() >= end { late.clone() } else { error })?;
        let request = Request { call, analyst, end, describes };
        let counted = Counted::new(&pool.shared.statements);
        let outcome = run(&mut process, pool.service(), request);
        drop(counted);
        if outcome.is_usable && !pool.is_closed.load(Ordering::Acquire) {
            pool.idle.lock().push(process);
        } else {
            drop(process);
            pool.running.fetch_sub(1, Ordering::Relaxed);
            count(&pool.ended, 1);
            pool.refill();
        }
        if let Err(SqlError::Damaged { detail }) = &outcome.answer {
            pool.shared.readers.note_damage::<()>(&Err(StoreError::DamagedBlock { detail: detail.clone() }));
        }
        outcome.answer
    }

    /// Returns counts of the workers.
    #[must_use]
    pub fn stats(&self) -> WorkerStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkerStats { running: load(&self.0.running), started: load(&self.0.started), ended: load(&self.0.ended) }
    }

    /// Ends the idle workers; later statements fail with `Closed`. Waits for a worker that is opening the file.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::Release);
        self.0.snapshot.close();
        self.0.idle.lock().clear();
    }
}

impl Pool {
    fn service(&self) -> Service<'_> {
        Service { shared: &self.shared, snapshot: &self.snapshot, promql: self.options.promql.as_ref() }
    }

    /// Returns an idle worker, or a new one.
    fn take(&self, end: Instant) -> Result<Process, SqlError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(SqlError::Closed);
        }
        let idle = self.idle.lock().pop();
        idle.map_or_else(|| self.launch(end.min(Instant::now() + START_TIMEOUT)), Ok)
    }

    fn launch(&self, end: Instant) -> Result<Process, SqlError> {
        let mut process = Process::start((self.options.command)())
            .map_err(|error| SqlError::Unavailable { detail: format!("a worker did not start: {error}") })?;
        warm(&mut process, self.service(), end)?;
        self.running.fetch_add(1, Ordering::Relaxed);
        count(&self.started, 1);
        Ok(process)
    }

    /// Starts a worker in the background, for the next statement.
    fn refill(self: &Arc<Self>) {
        let pool = Arc::clone(self);
        let started = std::thread::Builder::new().name("almanac-worker-start".to_owned()).spawn(move || {
            if pool.is_closed.load(Ordering::Acquire) {
                return;
            }
            match pool.launch(Instant::now() + START_TIMEOUT) {
                Ok(process) => {
                    let mut idle = pool.idle.lock();
                    if idle.len() < pool.options.workers && !pool.is_closed.load(Ordering::Acquire) {
                        idle.push(process);
                    } else {
                        pool.running.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Err(_) if pool.is_closed.load(Ordering::Acquire) => {}
                // The next statement tries again, and reports the error.
                Err(error) => tracing::warn!(detail = %error, "a worker for SQL did not start"),
            }
        });
        if let Err(error) = started {
            tracing::warn!(detail = %error, "a worker for SQL did not start");
        }
    }
}
