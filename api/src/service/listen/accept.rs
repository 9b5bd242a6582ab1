//! The accept loop: bounds the number of connections and survives a lack of file descriptors.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Connections, OpenConnection, Timeouts},
    connection::{Shared, serve},
    tls::Tls,
};
use crate::config::Server;

/// Pause after a failed accept, and between attempts to close a connection for a new one.
const PAUSE: Duration = Duration::from_millis(100);
/// Interval between log lines of failed accepts.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Limits of connections, and TLS.
#[derive(Debug)]
pub(in crate::service) struct Settings {
    max_connections: usize,
    timeouts: Timeouts,
    tls: Option<Arc<Tls>>,
}

impl Settings {
    /// Returns the settings of a configuration.
    pub(in crate::service) fn new(server: &Server, tls: Option<Arc<Tls>>) -> Self {
        let timeouts = Timeouts { header: server.header_timeout.duration(), idle: server.idle_timeout.duration() };
        Self { max_connections: server.max_connections, timeouts, tls }
    }
}

/// Accepts connections until `stopping`, then waits for those with a running request.
///
/// Above the largest number, the connection that has been without a request for the longest time is closed; while all
/// have one, new ones wait. Dropping the future aborts all connections.
pub(in crate::service) async fn accept_connections(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    stopping: CancellationToken,
) {
    let shared = Arc::new(Shared { router, timeouts: settings.timeouts, stopping: stopping.clone() });
    let (connections, mut tasks) = (Arc::new(Connections::default()), JoinSet::new());
    let mut logged = None;
    loop {
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if !make_room(&connections, settings.max_connections, &mut tasks, &stopping).await {
                    break;
                }
                // Answers are written whole, so that Nagle's algorithm would only delay them.
                let _ = stream.set_nodelay(true);
                let (open, shared, tls) =
                    (connections.add(tokio::time::Instant::now()), Arc::clone(&shared), settings.tls.clone());
                tasks.spawn(async move { handle(stream, peer, open, &shared, tls.as_deref()).await });
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                if logged.is_none_or(|at: Instant| at.elapsed() >= LOG_INTERVAL) {
                    logged = Some(Instant::now());
                    tracing::error!(%error, open = connections.len(), "connections cannot be accepted; trying again");
                }
                // Usually no file descriptor is left: an idle connection gives one back.
                connections.close_idlest();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Waits until a connection may be added. Returns false when the service stops before.
async fn make_room(
    connections: &Connections,
    most: usize,
    tasks: &mut JoinSet<()>,
    stopping: &CancellationToken,
) -> bool {
    while connections.len() >= most {
        connections.close_idlest();
        tokio::select! {
            () = stopping.cancelled() => return false,
            _ = tasks.join_next() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    true
}

/// Whether an error of `accept` concerns one client that has already left.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// Serves a connection, after its TLS handshake if there is TLS.
async fn handle(stream: TcpStream, peer: SocketAddr, open: OpenConnection, shared: &Shared, tls: Option<&Tls>) {
    let activity = Arc::clone(&open.activity);
    let Some(tls) = tls else { return serve(stream, peer, activity, shared).await };
    let handshake = tokio::time::timeout(shared.timeouts.header, tls.accept(stream));
    let stream = tokio::select! {
        () = open.activity.close.cancelled() => return,
        () = shared.stopping.cancelled() => return,
        stream = handshake => stream,
    };
    match stream {
        Ok(Ok(stream)) => serve(stream, peer, activity, shared).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}
