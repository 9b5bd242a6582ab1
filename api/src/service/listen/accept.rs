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
    connection::{Protocol, Shared, serve},
    tls::Tls,
};
use crate::config::Server;

/// Pause after a failed accept, and between attempts to close a connection for a new one.
const PAUSE: Duration = Duration::from_millis(100);
/// Time for which fewer connections are held after a failed accept.
const SHORTAGE_SPAN: Duration = Duration::from_secs(10);

/// A lack of descriptors.
#[derive(Debug)]
struct Shortage {
    since: Instant,
    /// Largest number of connections while it lasts.
    most: usize,
}

/// Limits of connections, and TLS.
#[derive(Debug)]
pub(in crate::service) struct Settings {
    max_connections: usize,
    timeouts: Timeouts,
    tls: Option<Arc<Tls>>,
    protocol: Protocol,
}

impl Settings {
    /// Returns the settings of a configuration.
    pub(in crate::service) fn new(server: &Server, tls: Option<Arc<Tls>>, protocol: Protocol) -> Self {
        let timeouts = Timeouts { header: server.header_timeout.duration(), idle: server.idle_timeout.duration() };
        Self { max_connections: server.max_connections, timeouts, tls, protocol }
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
    let shared = Arc::new(Shared {
        router,
        protocol: settings.protocol,
        timeouts: settings.timeouts,
        stopping: stopping.clone(),
    });
    let (connections, mut tasks) = (Arc::new(Connections::default()), JoinSet::new());
    let mut shortage: Option<Shortage> = None;
    loop {
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        shortage = shortage.filter(|shortage| shortage.since.elapsed() < SHORTAGE_SPAN);
        match accepted {
            Ok((stream, peer)) => {
                let most = shortage.as_ref().map_or(settings.max_connections, |shortage| shortage.most);
                if !make_room(&connections, most, &mut tasks, &stopping).await {
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
                let open = connections.len();
                if shortage.is_none() {
                    tracing::error!(%error, open, "connections cannot be accepted; idle ones are closed");
                }
                // Usually no file descriptor is left. Fewer connections leave some for the store as well.
                let most = (open - open / 8).max(1);
                shortage = Some(Shortage { since: Instant::now(), most });
                for _ in most..=open {
                    connections.close_idlest();
                }
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
