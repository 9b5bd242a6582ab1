//! What every handler can reach: store, ledger, learner, configuration, clock.

use std::{fmt, sync::Arc, time::SystemTime};

use almanac_engine::{
    ingest::{Ingest, IngestLimits},
    learn::LearningScheduler,
    ledger::{Ledger, LedgerError},
    store::Store,
};
use almanac_models::{Timestamp, UnitError};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{ApiError, Auth};
use crate::{config::Config, http::operate::Metrics};

/// Where the service reads the time; tests set their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(now))
    }

    /// A clock that stands still, for tests.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self(Arc::new(move || at))
    }

    /// The present.
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

/// The present by the system's clock, to the millisecond.
#[must_use]
pub fn now() -> Timestamp {
    let millis = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    };
    Timestamp::from_millis(millis)
}

/// Why a service cannot begin on a store.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A step, a season or a horizon of a configured signal is out of range.
    #[error(transparent)]
    Signal(#[from] UnitError),
}

/// What every handler may reach; cloning is cheap.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The store.
    pub store: Store,
    /// What takes samples in.
    pub ingest: Ingest,
    /// What was recommended and what came of it.
    pub ledger: Ledger,
    /// What is learned, and how far; one round at a time.
    pub scheduler: Arc<Mutex<LearningScheduler>>,
    /// The configuration.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// Who may call.
    pub auth: Auth,
    /// The service's own metrics.
    pub metrics: Arc<Metrics>,
    /// Places for evaluations of expressions, so that many dashboards leave a processor to ingest.
    pub evaluations: Arc<Semaphore>,
    /// Cancelled when the service is about to end: whoever waits for news answers then.
    pub stopping: CancellationToken,
}

impl AppState {
    /// A state around a store that never stops, without a token and with the system's clock.
    ///
    /// # Errors
    /// [`StateError`] when the store's ledger cannot be read or a signal of the configuration is out of range.
    pub fn new(store: Store, config: Config) -> Result<Self, StateError> {
        Ok(Self {
            scheduler: Arc::new(Mutex::new(scheduler(&store, &config)?)),
            ingest: Ingest::new(store.clone(), ingest_limits(&config)),
            ledger: Ledger::new(store.clone(), Arc::new(config.registry.clone()))?,
            store,
            config: Arc::new(config),
            clock: Clock::system(),
            auth: Auth::open(),
            metrics: Arc::new(Metrics::new()),
            evaluations: Arc::new(Semaphore::new(evaluation_places())),
            stopping: CancellationToken::new(),
        })
    }

    /// Runs work that reads the store or computes, away from the threads that serve connections.
    ///
    /// # Errors
    /// What the work says; 500 when it panicked.
    pub async fn blocking<T, E>(&self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(Into::into),
            Err(error) => Err(ApiError::internal(&error)),
        }
    }
}

/// What a configuration wants learned of a store.
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

fn evaluation_places() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).max(2)
}

/// The bounds on what senders may send that a configuration asks for.
#[must_use]
pub fn ingest_limits(config: &Config) -> IngestLimits {
    IngestLimits {
        labels: config.ingest.max_labels,
        label_name_bytes: config.ingest.max_label_name,
        label_value_bytes: config.ingest.max_label_value,
        decoded_bytes: config.ingest.max_decoded.bytes(),
        ahead_ms: config.ingest.max_ahead.millis(),
    }
}
