//! State that is shared by all handlers and background tasks: store, ledger, learning, configuration, clock.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use almanac_engine::{
    ingest::{Ingest, IngestLimits, otlp::Otlp},
    learn::LearningScheduler,
    ledger::{Ledger, LedgerError},
    rules::RuleBook,
    store::{SqlAnswer, SqlError, SqlLimits, SqlParam, SqlWorkers, Store},
};
use almanac_models::{Timestamp, UnitError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    ApiError, Leap, LeapGuard,
    limits::{Budget, Lane, Lanes},
    spawn_blocking,
};
use crate::{
    access::{Audit, Auth, Sessions},
    config::Config,
    http::{operate::Metrics, sql::Expressions},
    service::Decoder,
};

/// Memory in bytes for answers that clients have not read yet.
const MAX_ANSWERS_BYTES: usize = 512 << 20;

/// The service's clock; tests inject a fixed one.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// Returns the system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(now))
    }

    /// Returns a clock that always returns `at`, for tests.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self(Arc::new(move || at))
    }

    /// Returns a clock that returns what `read` does, for tests.
    #[must_use]
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

/// Returns the current time of the system's clock, in milliseconds.
#[must_use]
pub fn now() -> Timestamp {
    let millis = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    };
    Timestamp::from_millis(millis)
}

/// The rules that the service evaluates, shared by the task that does so and the API.
#[derive(Debug, Clone, Default)]
pub struct SharedRules(Arc<Mutex<Arc<RuleBook>>>);

impl SharedRules {
    /// Returns the rules as of their last evaluations.
    #[must_use]
    pub fn book(&self) -> Arc<RuleBook> {
        Arc::clone(&self.0.lock())
    }

    /// Replaces the rules.
    pub fn publish(&self, book: RuleBook) {
        *self.0.lock() = Arc::new(book);
    }
}

/// Why the state cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A step, a season or a horizon of a configured signal is out of range.
    #[error(transparent)]
    Signal(#[from] UnitError),
}

/// Shared state of the service; cloning is cheap.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The store.
    pub store: Store,
    /// Decodes and stores received samples.
    pub ingest: Ingest,
    /// Translates and stores received OTLP.
    pub otlp: Otlp,
    /// Recommendations, their states and their measured effects.
    pub ledger: Ledger,
    /// Learning; the lock allows one cycle at a time.
    pub scheduler: Arc<Mutex<LearningScheduler>>,
    /// The configuration.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// Notices leaps of the clock.
    pub leaps: Arc<Mutex<LeapGuard>>,
    /// Start of the running clock that leaps are noticed by.
    pub started: Instant,
    /// Check of callers.
    pub auth: Auth,
    /// Sessions of browsers.
    pub sessions: Sessions,
    /// Audit of state changes.
    pub audit: Audit,
    /// The service's own metrics.
    pub metrics: Arc<Metrics>,
    /// Worker processes for analysts' SQL; without them it runs in this process.
    pub sql: Option<SqlWorkers>,
    /// How the processes that decode imports are started; without it this process decodes.
    pub decoder: Option<Decoder>,
    /// Bounded threads for each kind of work.
    pub lanes: Lanes,
    /// Memory for bodies of requests, `server.max_in_flight`.
    pub budget: Budget,
    /// Memory for answers that clients have not read yet.
    pub answers: Budget,
    /// Number of the newest notice.
    pub noticed: Arc<watch::Sender<i64>>,
    /// Rules that the service evaluates, as of their last evaluation.
    pub rules: SharedRules,
    /// Cancelled at shutdown; long polls and streams then end.
    pub stopping: CancellationToken,
}

impl AppState {
    /// Builds the state without authentication, with the system's clock, and with a new shutdown token.
    ///
    /// # Errors
    /// [`StateError`] when the store's ledger cannot be read or a signal of the configuration is out of range.
    pub fn new(store: Store, config: Config) -> Result<Self, StateError> {
        let ingest = Ingest::new(store.clone(), ingest_limits(&config));
        Ok(Self {
            scheduler: Arc::new(Mutex::new(scheduler(&store, &config)?)),
            otlp: Otlp::new(ingest.clone(), config.otlp.settings(config.ingest.max_span_metrics)),
            ingest,
            ledger: Ledger::new(store.clone(), Arc::new(config.registry.clone()))?,
            store,
            lanes: Lanes::default(),
            budget: Budget::new(config.server.max_in_flight.bytes()),
            answers: Budget::new(MAX_ANSWERS_BYTES),
            config: Arc::new(config),
            clock: Clock::system(),
            leaps: Arc::default(),
            started: Instant::now(),
            auth: Auth::open(),
            sessions: Sessions::default(),
            audit: Audit::default(),
            metrics: Arc::new(Metrics::new()),
            sql: None,
            decoder: None,
            noticed: Arc::new(watch::Sender::new(0)),
            rules: SharedRules::default(),
            stopping: CancellationToken::new(),
        })
    }

    /// Returns the current time for work that decides by it, such as retention and everything on schedule.
    ///
    /// # Errors
    /// The [`Leap`] of a clock that has leapt and is not settled.
    pub fn steady_now(&self) -> Result<Timestamp, Leap> {
        let mut leaps = self.leaps.lock();
        let now = self.clock.now();
        let running = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        leaps.look(now.millis(), running).map_or(Ok(now), Err)
    }

    /// Returns the time by which received samples are judged: while the clock is behind after a leap, the time that it
    /// should show, because a sender drops samples that are refused as too far ahead.
    #[must_use]
    pub fn received_now(&self) -> Timestamp {
        match self.steady_now() {
            Ok(now) => now,
            Err(leap) => self.clock.now().plus_millis(-leap.by_ms.min(0)),
        }
    }

    /// Returns the time of a change that a caller reports: while the clock has leapt, the time that it should show. The
    /// ledger's changes have ascending times, so that one time far ahead would stay with all later ones.
    #[must_use]
    pub fn settled_now(&self) -> Timestamp {
        match self.steady_now() {
            Ok(now) => now,
            Err(leap) => self.clock.now().plus_millis(-leap.by_ms),
        }
    }

    /// Runs an analyst's statement. Blocks.
    ///
    /// # Errors
    /// [`SqlError`].
    pub fn run_sql(&self, sql: &str, params: &[SqlParam], limits: SqlLimits) -> Result<SqlAnswer, SqlError> {
        match &self.sql {
            Some(workers) => workers.run(sql, params, limits),
            None => {
                let promql = Expressions::evaluator(self.store.clone(), Arc::clone(&self.config), self.clock.clone());
                self.store.analyst_sql_with(sql, params, limits, Some(&promql))
            }
        }
    }

    /// Runs blocking or expensive work in a lane, outside of the threads that serve connections.
    ///
    /// The place in the lane is held until the work ends, also when the caller has gone.
    ///
    /// # Errors
    /// 503, 429 or 409 when the lane has no place in time; the error of the work; 500 when it panicked.
    pub async fn run<T, E>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let place = self.lanes.enter(lane).await?;
        self.blocking(move || {
            let _place = place;
            work()
        })
        .await
    }

    /// Runs blocking work that has its own limits on how much runs and waits at once, such as analysts' SQL; other work
    /// uses [`AppState::run`].
    ///
    /// # Errors
    /// The error of the work; 500 when it panicked.
    pub async fn blocking<T, E>(&self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        match spawn_blocking(work).await {
            Ok(result) => result.map_err(Into::into),
            Err(error) => Err(ApiError::internal(&error)),
        }
    }
}

/// Returns the scheduler that learns the configured and default signals of a store.
///
/// # Errors
/// [`UnitError`] for a step, a season or a horizon that is out of range.
pub(crate) fn scheduler(store: &Store, config: &Config) -> Result<LearningScheduler, UnitError> {
    Ok(LearningScheduler::new(
        store.clone(),
        config.signal_specs()?,
        config.learn.default_signals,
        config.learn_options(),
    ))
}

/// Returns the limits on received samples for a configuration.
#[must_use]
pub fn ingest_limits(config: &Config) -> IngestLimits {
    IngestLimits {
        labels: config.ingest.max_labels,
        label_name_bytes: config.ingest.max_label_name,
        label_value_bytes: config.ingest.max_label_value,
        decoded_bytes: config.ingest.max_decoded.bytes(),
        ahead_ms: config.ingest.max_ahead.millis(),
        exemplars: config.ingest.exemplars,
    }
}
