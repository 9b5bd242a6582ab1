//! The accept loop, with a bounded number of connections.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::SinkExt;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    cancel::CancelKeys,
    negotiate::negotiate,
    shared::Shared,
    sign_in::{SignedIn, sign_in},
};
use crate::{
    access::Scope,
    config::Config,
    http::AppState,
    postgres::{error::Failure, session::Session},
};

/// Largest number of connections above `postgres.max_connections` that are read: each gets an error with SQLSTATE 53300, or is
/// a cancel request. Further connections are closed without an answer.
const REFUSED_AT_ONCE: usize = 16;

/// Longest time for which a connection above `postgres.max_connections` is open.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound address.
#[derive(Debug)]
pub struct Listener(std::net::TcpListener);

impl Listener {
    /// Binds the address of a configuration, if it has one.
    ///
    /// # Errors
    /// The address with the system's error.
    pub fn bind(config: &Config) -> Result<Option<Self>, (SocketAddr, io::Error)> {
        let Some(listen) = config.postgres.listen else { return Ok(None) };
        let bound = std::net::TcpListener::bind(listen).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        bound.map(|listener| Some(Self(listener))).map_err(|source| (listen, source))
    }

    /// Returns the address.
    ///
    /// # Errors
    /// The system's error.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Serves clients of PostgreSQL until the service stops.
pub async fn serve(listener: Listener, state: AppState, tls: Option<TlsAcceptor>) {
    let listener = match TcpListener::from_std(listener.0) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the listener for PostgreSQL's clients cannot be used");
            return;
        }
    };
    let is_local = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    let old = state.auth.without_scram(Scope::Sql);
    if !old.is_empty() {
        let names = old.join(", ");
        tracing::warn!(
            names,
            "tokens of a release without SCRAM cannot sign in through PostgreSQL; make new ones with almanac token new"
        );
    }
    let needs_tls = !is_local && !state.config.server.insecure;
    let shared = Arc::new(Shared { state, keys: CancelKeys::default(), needs_tls });
    let (open, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    let (stopping, most) = (shared.state.stopping.clone(), shared.state.config.postgres.max_connections);
    loop {
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let counted = Counted::take(&open);
                if counted.number > most + REFUSED_AT_ONCE {
                    continue;
                }
                let (shared, tls, is_full) = (Arc::clone(&shared), tls.clone(), counted.number > most);
                tasks.spawn(async move {
                    if let Err(error) = handle(stream, peer, &shared, tls.as_ref(), is_full).await {
                        tracing::debug!(%peer, %error, "a connection of a PostgreSQL client ended with an error");
                    }
                    drop(counted);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection of a PostgreSQL client cannot be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// A counted connection.
#[derive(Debug)]
struct Counted {
    open: Arc<AtomicUsize>,
    /// Number of connections with this one.
    number: usize,
}

impl Counted {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        let number = open.fetch_add(1, Ordering::AcqRel) + 1;
        Self { open: Arc::clone(open), number }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves a connection from its first byte.
async fn handle(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    tls: Option<&TlsAcceptor>,
    is_full: bool,
) -> io::Result<()> {
    let timeout = shared.state.config.server.header_timeout.duration();
    let timeout = if is_full { timeout.min(REFUSAL_TIMEOUT) } else { timeout };
    let start = async {
        let mut socket = negotiate(stream, peer, tls).await?;
        match sign_in(&mut socket, shared, is_full).await {
            Ok(signed_in) => Ok(signed_in.map(|signed_in| (socket, signed_in))),
            Err(Failure::Sql(info)) => {
                let reply = pgwire::messages::PgWireBackendMessage::ErrorResponse((*info).into());
                let _ = socket.send(reply).await;
                Ok(None)
            }
            Err(Failure::Left) => Ok(None),
            Err(Failure::Io(error)) => Err(error),
        }
    };
    let stopping = shared.state.stopping.clone();
    let started = tokio::select! {
        () = stopping.cancelled() => return Ok(()),
        started = tokio::time::timeout(timeout, start) => started,
    };
    let Ok(started) = started else {
        tracing::debug!(%peer, "a sign-in through PostgreSQL took too long");
        return Ok(());
    };
    let Some((socket, SignedIn { caller, registered, parameters })) = started? else { return Ok(()) };
    tracing::debug!(%peer, who = caller.shown(), "a PostgreSQL client signed in");
    Session::new(socket, shared.state.clone(), caller, registered.slot.clone(), parameters).serve().await
}
