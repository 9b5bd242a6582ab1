//! Serves the requests of one connection until it ends, is idle for too long, or the service stops: HTTP/1.1, or HTTP/2
//! for gRPC.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    activity::{Activity, RunningRequest, Timeouts},
    io::WatchedIo,
};
use crate::http::LenientConnection;

/// Protocol of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 from the first byte, for gRPC.
    Http2,
}

/// Simultaneous requests of a connection of HTTP/2.
const MAX_STREAMS: u32 = 100;
/// Bytes that a client of HTTP/2 may send ahead: of a request, and of all requests of a connection.
const WINDOW_BYTES: u32 = 256 << 10;
/// Largest headers of a request of HTTP/2 in bytes.
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// Interval of pings, and time for their answer: a stream without messages does not notice that its client is gone.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval between checks of a connection of HTTP/2 with running requests, which end without a poll of the connection.
const RECHECK: Duration = Duration::from_secs(5);

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) protocol: Protocol,
    pub(super) timeouts: Timeouts,
    /// Cancelled at shutdown: running requests are answered, and no further ones are read.
    pub(super) stopping: CancellationToken,
}

/// Serves a connection. Errors of the connection concern its client alone and are only logged at the level `debug`.
pub(super) async fn serve<I>(io: I, peer: SocketAddr, activity: Arc<Activity>, shared: &Shared)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let is_http2 = shared.protocol == Protocol::Http2;
    let io = WatchedIo { io, activity: Arc::clone(&activity), is_http2 };
    let running = Arc::clone(&activity);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let running = running.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = shared.router.clone().oneshot(request);
        async move {
            let response = answer.await?;
            Ok::<_, std::convert::Infallible>(response.map(|body| RunningBody { body, _running: running }))
        }
    });
    match shared.protocol {
        Protocol::Http1 => {
            // Without a timer hyper has no timeouts of its own; its one for headers would close idle connections too.
            let io = TokioIo::new(LenientConnection::new(io));
            let connection = pin!(http1::Builder::new().serve_connection(io, service));
            drive(connection, |connection| connection.graceful_shutdown(), peer, &activity, shared).await;
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_TIMEOUT)
                .max_concurrent_streams(MAX_STREAMS)
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES)
                .max_header_list_size(MAX_HEADER_BYTES);
            let connection = pin!(builder.serve_connection(TokioIo::new(io), service));
            drive(connection, |connection| connection.graceful_shutdown(), peer, &activity, shared).await;
        }
    }
}

/// Polls a connection until it ends or is to be closed. `leave` tells the client that no further request is read.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    leave: impl Fn(Pin<&mut C>),
    peer: SocketAddr,
    activity: &Activity,
    shared: &Shared,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let is_http2 = shared.protocol == Protocol::Http2;
    let (mut stop, mut is_stopping) = (pin!(shared.stopping.cancelled()), false);
    let mut close = pin!(activity.close.cancelled());
    let mut timer = pin!(tokio::time::sleep_until(Instant::now() + shared.timeouts.header));
    // The activity changes only while the connection is polled, so that the deadline is known after each poll.
    poll_fn(|cx| {
        if !is_stopping && stop.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            leave(connection.as_mut());
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%peer, error = %crate::chain(&error), "a connection ended with an error");
            }
            return Poll::Ready(());
        }
        let is_closed = is_stopping || close.as_mut().poll(cx).is_ready();
        if is_closed && activity.is_idle() {
            return Poll::Ready(());
        }
        loop {
            let deadline = activity.deadline(&shared.timeouts);
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                tracing::debug!(%peer, "a connection was closed by a timeout");
                if is_http2 {
                    // A request that the client sends now would be lost without a word.
                    leave(connection.as_mut());
                    let _ = connection.as_mut().poll(cx);
                }
                return Poll::Ready(());
            }
            let recheck = is_http2.then(|| Instant::now() + RECHECK);
            let Some(deadline) = deadline.into_iter().chain(recheck).min() else { return Poll::Pending };
            // A timer that is set too early is set again when it fires, which is rarer than each request.
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// The body of an answer; the request counts as running until it is dropped.
struct RunningBody {
    body: Body,
    _running: RunningRequest,
}

impl HttpBody for RunningBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
