//! Starts the service, waits for a shutdown signal or a failed store, and shuts down in order.
//!
//! Order of the shutdown: requests, background tasks, store. Called by `almanac serve` and `almanac demo`.

use std::{io, net::SocketAddr, time::Duration};

use almanac_engine::store::{Store, StoreError, StoreOptions};
use axum::serve::ListenerExt;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    signals::ServiceSignals,
    tasks::{self, Advised},
    workers::{Decoder, Program, start_sql_workers},
};
use crate::{
    config::{Config, ConfigError, kept_rules},
    http::{AppState, Auth, LenientUrls, StateError, remove_spooled, router},
};

/// Time that background tasks have to stop at shutdown.
const TASK_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Interval between checks whether the store still works.
const STORE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why the service did not start, or why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address cannot be bound.
    #[error("cannot bind to {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened or closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service cannot start on this store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store stopped while the service ran.
    #[error("the service stopped because the store failed: {detail}")]
    Stopped {
        /// The store's reason.
        detail: String,
    },
    /// Another system call failed.
    #[error("the service could not {action}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Returns the store's options for a configuration.
#[must_use]
pub fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        max_series: config.store.max_series,
        queue_bytes: config.store.queue.bytes(),
        recent_bytes: config.store.recent.bytes(),
        retention_raw_ms: config.store.retention.raw.map(crate::config::Span::millis),
        retention_rollup_ms: config.store.retention.rollup.map(crate::config::Span::millis),
        drop_share_max: config.store.retention.drop_share_max,
        ..StoreOptions::default()
    }
}

/// Opens the store at the configured path. Files that the process creates from then on are readable by its user alone.
///
/// # Errors
/// [`StoreError`], which names the file.
pub fn open_store(config: &Config) -> Result<Store, StoreError> {
    restrict_new_files();
    Store::open(&config.store.path, store_options(config))
}

/// Serves until SIGTERM or SIGINT, or until the store fails.
///
/// Binds the address, opens the store by `open`, prints the address on stderr, and serves. At shutdown it waits for
/// running requests up to `server.drain` and closes the store.
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

/// Serves like [`serve`], with advice on the given targets instead of the configured ones.
///
/// # Errors
/// As [`serve`].
pub fn serve_advising(
    config: Config,
    advice: Advised,
    auth: Auth,
    open: impl FnOnce(&Config) -> Result<Store, StoreError>,
) -> Result<(), ServiceError> {
    // The address is bound before the store is opened: a second instance fails without touching the store.
    let listen = config.server.listen;
    let listener = std::net::TcpListener::bind(listen).map_err(|source| ServiceError::Listen { listen, source })?;
    listener.set_nonblocking(true).map_err(|source| ServiceError::System { action: "prepare its socket", source })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| ServiceError::System { action: "start its threads", source })?;
    let signals = {
        // Before the store is opened, so that a signal meanwhile is not lost.
        let _runtime = runtime.enter();
        ServiceSignals::new().map_err(|source| ServiceError::System { action: "listen for signals", source })?
    };
    let store = open(&config)?;
    remove_spooled(&config.store.path);
    let program =
        Program::new().map_err(|source| ServiceError::System { action: "find the program's own file", source })?;
    let workers = start_sql_workers(&store, &program, &config)?;
    let decoder = Some(Decoder::new(&program, &config));
    let state = AppState { auth, sql: Some(workers.clone()), decoder, ..AppState::new(store.clone(), config)? };
    let result = runtime.block_on(run(listener, state, advice, signals));
    // Threads that are still busy are abandoned; the closed store rejects their writes.
    runtime.shutdown_timeout(TASK_STOP_TIMEOUT);
    workers.close();
    let closed = store.close().map_err(ServiceError::from);
    tracing::info!("store closed");
    result.and(closed)
}

async fn run(
    listener: std::net::TcpListener,
    state: AppState,
    advice: Advised,
    mut signals: ServiceSignals,
) -> Result<(), ServiceError> {
    let failed = |action: &'static str| move |source: io::Error| ServiceError::System { action, source };
    let listener = TcpListener::from_std(listener).map_err(failed("prepare its socket"))?;
    let address = listener.local_addr().map_err(failed("read its address"))?;
    let mut background = JoinSet::new();
    tasks::start(&state, advice, &mut background);
    let (stopping, store) = (state.stopping.clone(), state.store.clone());
    let drain = state.config.server.drain.duration();
    let listener = listener.tap_io(|stream| {
        // Responses are written whole, so Nagle's algorithm would only delay them.
        let _ = stream.set_nodelay(true);
    });
    let server =
        axum::serve(LenientUrls(listener), router(state)).with_graceful_shutdown(stopping.clone().cancelled_owned());
    crate::say!("almanac: listening on http://{address}");
    let mut server = tokio::spawn(async move { server.await });
    let mut result = Ok(());
    tokio::select! {
        ended = &mut server => return flatten(ended),
        signal = signals.next() => tracing::info!(signal, "shutting down"),
        detail = wait_until_stopped(&store) => {
            tracing::error!(detail, "the store failed; shutting down; senders keep samples that were not acknowledged");
            result = Err(ServiceError::Stopped { detail });
        }
    }
    // Stops new connections, long polls and background tasks; running requests have `drain` to finish.
    stopping.cancel();
    tokio::select! {
        ended = &mut server => flatten(ended)?,
        () = tokio::time::sleep(drain) => tracing::warn!("requests that ran longer than {drain:?} were aborted"),
        signal = signals.next() => tracing::warn!(signal, "running requests were aborted by a second signal"),
    }
    server.abort();
    if tokio::time::timeout(TASK_STOP_TIMEOUT, async { while background.join_next().await.is_some() {} }).await.is_err()
    {
        tracing::warn!("background tasks did not stop within 5 s");
    }
    result
}

/// Waits until the store fails and returns its reason. A failed store does not recover; the supervisor has to restart
/// the service.
async fn wait_until_stopped(store: &Store) -> String {
    loop {
        if let Some(detail) = store.stopped() {
            return detail.to_owned();
        }
        tokio::time::sleep(STORE_CHECK_INTERVAL).await;
    }
}

fn flatten(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), ServiceError> {
    ended
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|source| ServiceError::System { action: "accept connections", source })
}

/// Makes files that the service creates readable by its user alone. DuckDB creates the write-ahead log anew after every
/// checkpoint.
fn restrict_new_files() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}
