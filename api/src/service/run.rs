//! Starts the service, waits for a shutdown signal or a failed store, and shuts down in order.
//!
//! Order of the shutdown: requests, background tasks, store. Called by `almanac serve` and `almanac demo`.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use almanac_engine::store::{OnConversion, Store, StoreError, StoreOptions};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    TlsError,
    listen::{Protocol, Settings, Tls, accept_connections},
    reload::watch_files,
    signals::ServiceSignals,
    tasks::{self, Advised},
    workers::{Decoder, Program, start_sql_workers},
};
use crate::{
    access::{Audit, AuditError, AuditRecord, Auth},
    config::{Config, ConfigError, kept_rules},
    grpc,
    http::{AppState, StateError, iso, remove_spooled, router},
    postgres,
};

/// Time that background tasks have to stop at shutdown.
const TASK_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Age up to which samples are in memory soon after a start, in milliseconds: the last hour, which dashboards show, and the windows
/// of its rates.
const LOADED_AGE_MS: i64 = 90 * 60_000;

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
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The audit file cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
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
        label_bytes: config.store.max_label_memory.bytes(),
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
    Store::open(&config.store.path, StoreOptions { on_conversion: conversion(), ..store_options(config) })
}

/// Shows the conversion of a store of an earlier release: a line in the log, and a bar where stderr is a terminal.
fn conversion() -> OnConversion {
    let bar: OnceLock<ProgressBar> = OnceLock::new();
    OnConversion::new(move |done, total| {
        let bar = bar.get_or_init(|| {
            tracing::info!(
                samples = total,
                "the samples of an earlier release are converted to compressed blocks, once"
            );
            let template = "converting the store {wide_bar} {human_pos}/{human_len} samples, {eta} left";
            // A template that cannot be parsed leaves the library's own style.
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_finish(ProgressFinish::AndClear)
        });
        bar.set_position(done);
        if done >= total {
            bar.finish_and_clear();
            tracing::info!(samples = total, "the store is converted");
        }
    })
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
    // The addresses are bound before the store is opened: a second instance fails without touching the store.
    let listener = bind(config.server.listen)?;
    let grpc_listener = config.grpc.listen.map(bind).transpose()?;
    let postgres = postgres::Listener::bind(&config);
    let postgres = postgres.map_err(|(listen, source)| ServiceError::Listen { listen, source })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| ServiceError::System { action: "start its threads", source })?;
    let signals = {
        // Before the store is opened, so that a signal meanwhile is not lost.
        let _runtime = runtime.enter();
        ServiceSignals::new().map_err(|source| ServiceError::System { action: "listen for signals", source })?
    };
    let tls = config.tls_files().map(|(cert, key)| Tls::open(cert, key)).transpose()?.map(Arc::new);
    let audit = Audit::open(config.audit_file().as_deref())?;
    // The usual soft limit is lower than `server.max_connections`; what the system refuses is not needed to start.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let store = open(&config)?;
    remove_spooled(&config.store.path);
    let program =
        Program::new().map_err(|source| ServiceError::System { action: "find the program's own file", source })?;
    let workers = start_sql_workers(&store, &program, &config)?;
    let decoder = Some(Decoder::new(&program, &config));
    let state = AppState { auth, audit, sql: Some(workers.clone()), decoder, ..AppState::new(store.clone(), config)? };
    let traces = state.clone();
    let result = runtime.block_on(run((listener, grpc_listener), postgres, tls, state, advice, signals));
    // Threads that are still busy are abandoned; the closed store rejects their writes.
    runtime.shutdown_timeout(TASK_STOP_TIMEOUT);
    store_open_traces(traces);
    workers.close();
    let closed = store.close().map_err(ServiceError::from);
    tracing::info!("store closed");
    result.and(closed)
}

/// Stores the statements of traces that are not complete.
fn store_open_traces(state: AppState) {
    let stored = state.steady_now().map(|now| state.otlp.store_traces(now, true));
    if let Ok(Err(error)) = stored {
        tracing::warn!(error = &error as &dyn std::error::Error, "the statements of open traces were not stored");
    }
}

/// Binds an address.
fn bind(listen: SocketAddr) -> Result<std::net::TcpListener, ServiceError> {
    let listener = std::net::TcpListener::bind(listen).map_err(|source| ServiceError::Listen { listen, source })?;
    listener.set_nonblocking(true).map_err(|source| ServiceError::System { action: "prepare its socket", source })?;
    Ok(listener)
}

async fn run(
    (listener, grpc_listener): (std::net::TcpListener, Option<std::net::TcpListener>),
    postgres: Option<postgres::Listener>,
    tls: Option<Arc<Tls>>,
    state: AppState,
    advice: Advised,
    mut signals: ServiceSignals,
) -> Result<(), ServiceError> {
    let failed = |action: &'static str| move |source: io::Error| ServiceError::System { action, source };
    let listener = TcpListener::from_std(listener).map_err(failed("prepare its socket"))?;
    let address = listener.local_addr().map_err(failed("read its address"))?;
    let mut background = JoinSet::new();
    tasks::start(&state, advice, &mut background);
    background.spawn(watch_files(state.clone(), tls.clone()));
    if let Some(listener) = postgres {
        let acceptor = tls.as_ref().map(|tls| tls.acceptor(postgres::PROTOCOL)).transpose()?;
        let address = listener.address().map_err(failed("read its address"))?;
        background.spawn(postgres::serve(listener, state.clone(), acceptor));
        crate::say!("almanac: listening for clients of PostgreSQL on postgresql://{address}");
    }
    record_start(&state);
    state.store.load_older(state.clock.now(), LOADED_AGE_MS);
    let (stopping, store) = (state.stopping.clone(), state.store.clone());
    let drain = state.config.server.drain.duration();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let grpc = match grpc_listener {
        Some(listener) => {
            let listener = TcpListener::from_std(listener).map_err(failed("prepare its socket"))?;
            let address = listener.local_addr().map_err(failed("read its address"))?;
            let tls = tls.as_deref().map(Tls::for_http2).transpose()?.map(Arc::new);
            let settings = Settings::new(&state.config.server, tls, Protocol::Http2);
            crate::say!("almanac: gRPC on {scheme}://{address}");
            Some(accept_connections(listener, grpc::router(state.clone()), settings, stopping.clone()))
        }
        None => None,
    };
    let settings = Settings::new(&state.config.server, tls, Protocol::Http1);
    let http = accept_connections(listener, router(state), settings, stopping.clone());
    let server = async move {
        match grpc {
            Some(grpc) => drop(tokio::join!(http, grpc)),
            None => http.await,
        }
    };
    crate::say!("almanac: listening on {scheme}://{address}");
    let mut server = tokio::spawn(server);
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

/// Writes the start to the audit, with the file of the configuration that is in effect.
fn record_start(state: &AppState) {
    let server = &state.config.server;
    let mut addresses = [Some(server.listen), state.config.grpc.listen].into_iter().flatten();
    if !state.auth.is_required() && addresses.any(|listen| !listen.ip().to_canonical().is_loopback()) {
        tracing::warn!("other machines can use this service without a token (server.insecure)");
    }
    let target = format!("{} {:?}", state.config.store.path.display(), state.auth);
    let at = iso(state.clock.now().millis());
    let record =
        AuditRecord { at, who: "almanac", what: "service.start", target: &target, from: "process", result: "ok" };
    state.audit.record(&record);
}

fn flatten(ended: Result<(), tokio::task::JoinError>) -> Result<(), ServiceError> {
    ended.map_err(|error| ServiceError::System { action: "accept connections", source: io::Error::other(error) })
}

/// Makes files that the service creates readable by its user alone. DuckDB creates the write-ahead log anew after every
/// checkpoint.
fn restrict_new_files() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}
