//! The running service, from start to orderly shutdown.

use std::{io, net::SocketAddr, time::Duration};

use almanac_engine::store::{Store, StoreError, StoreOptions};
use axum::serve::ListenerExt;
use tokio::{net::TcpListener, task::JoinSet};

use super::tasks::{self, Advised};
use crate::{
    config::{Config, ConfigError, kept_rules},
    http::{AppState, Auth, LenientUrls, StateError, router},
};

/// How long the service's own work may take to notice that the service ends.
const TASKS_END: Duration = Duration::from_secs(5);

/// How often it is looked after whether the store still works.
const WATCH: Duration = Duration::from_secs(1);

/// Why the service did not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address cannot be had.
    #[error("cannot bind to {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A rule file that the configuration names is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened or closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service cannot begin on this store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store gave up while the service ran.
    #[error("the service has ended because the store stopped: {detail}")]
    Stopped {
        /// What the store says.
        detail: String,
    },
    /// The system refuses something else.
    #[error("the service could not {action}")]
    System {
        /// What was being done.
        action: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// The store's options that a configuration asks for.
#[must_use]
pub fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        max_series: config.store.max_series,
        queue_bytes: config.store.queue.bytes(),
        recent_bytes: config.store.recent.bytes(),
        retention_raw_ms: config.store.retention.raw.map(crate::config::Span::millis),
        retention_rollup_ms: config.store.retention.rollup.map(crate::config::Span::millis),
        ..StoreOptions::default()
    }
}

/// Opens the store that a configuration names.
///
/// # Errors
/// [`StoreError`], which names the file.
pub fn open_store(config: &Config) -> Result<Store, StoreError> {
    Store::open(&config.store.path, store_options(config))
}

/// Serves until SIGTERM or SIGINT: listens, opens the store by `open`, says on stderr where it can be reached, answers
/// and works; then lets running requests end, and closes the store.
///
/// # Errors
/// [`ServiceError`].
pub fn serve(
    config: Config,
    auth: Auth,
    open: impl FnOnce(&Config) -> Result<Store, StoreError>,
) -> Result<(), ServiceError> {
    let (specs, kept) = config.advice_specs()?;
    let advice = Advised { specs, others: kept_rules(&kept) };
    serve_advising(config, advice, auth, open)
}

/// As [`serve`], with advice on these targets instead of those that the configuration names.
///
/// # Errors
/// As [`serve`].
pub fn serve_advising(
    config: Config,
    advice: Advised,
    auth: Auth,
    open: impl FnOnce(&Config) -> Result<Store, StoreError>,
) -> Result<(), ServiceError> {
    let listen = config.server.listen;
    let listener = std::net::TcpListener::bind(listen).map_err(|source| ServiceError::Listen { listen, source })?;
    listener.set_nonblocking(true).map_err(|source| ServiceError::System { action: "prepare its socket", source })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| ServiceError::System { action: "start its threads", source })?;
    let store = open(&config)?;
    let state = AppState { auth, ..AppState::new(store.clone(), config)? };
    let result = runtime.block_on(run(listener, state, advice));
    // Work that does not look up is left behind; what it would still write, the closed store refuses.
    runtime.shutdown_timeout(TASKS_END);
    let closed = store.close().map_err(ServiceError::from);
    tracing::info!("the store is closed");
    result.and(closed)
}

async fn run(listener: std::net::TcpListener, state: AppState, advice: Advised) -> Result<(), ServiceError> {
    let failed = |action: &'static str| move |source: io::Error| ServiceError::System { action, source };
    let mut interrupts = Interrupts::new().map_err(failed("listen for signals"))?;
    let listener = TcpListener::from_std(listener).map_err(failed("prepare its socket"))?;
    let address = listener.local_addr().map_err(failed("read its address"))?;
    let mut own_work = JoinSet::new();
    tasks::start(&state, advice, &mut own_work);
    let (stopping, store) = (state.stopping.clone(), state.store.clone());
    let drain = state.config.server.drain.duration();
    let listener = listener.tap_io(|stream| {
        // Answers are written whole; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
    });
    let server =
        axum::serve(LenientUrls(listener), router(state)).with_graceful_shutdown(stopping.clone().cancelled_owned());
    eprintln!("almanac: listening on http://{address}");
    let mut server = tokio::spawn(async move { server.await });
    let mut result = Ok(());
    tokio::select! {
        ended = &mut server => return flatten(ended),
        signal = interrupts.next() => tracing::info!(signal, "shutting down"),
        detail = stopped(&store) => {
            tracing::error!(detail, "the store stopped; shutting down, senders keep what was not acknowledged");
            result = Err(ServiceError::Stopped { detail });
        }
    }
    stopping.cancel();
    tokio::select! {
        ended = &mut server => flatten(ended)?,
        () = tokio::time::sleep(drain) => tracing::warn!("requests were cut off that ran longer than {drain:?}"),
        signal = interrupts.next() => tracing::warn!(signal, "requests were cut off by a second signal"),
    }
    server.abort();
    if tokio::time::timeout(TASKS_END, async { while own_work.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!("background tasks did not stop within 5 s");
    }
    result
}

/// Waits until the store gives up: then whoever supervises the service does better to start it anew.
async fn stopped(store: &Store) -> String {
    loop {
        if let Some(detail) = store.stopped() {
            return detail.to_owned();
        }
        tokio::time::sleep(WATCH).await;
    }
}

fn flatten(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), ServiceError> {
    ended
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|source| ServiceError::System { action: "accept connections", source })
}

/// The signals that end the service.
#[cfg(unix)]
struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interrupts {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Interrupts;

#[cfg(not(unix))]
impl Interrupts {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
