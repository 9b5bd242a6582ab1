//! Serves the requests of one connection until it ends, is idle for too long, or the service stops.

use std::{future::poll_fn, net::SocketAddr, pin::pin, sync::Arc, task::Poll};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
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

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) timeouts: Timeouts,
    /// Cancelled at shutdown: running requests are answered, and no further ones are read.
    pub(super) stopping: CancellationToken,
}

/// Serves a connection. Errors of the connection concern its client alone and are only logged at the level `debug`.
pub(super) async fn serve<I>(io: I, peer: SocketAddr, activity: Arc<Activity>, shared: &Shared)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let io = LenientConnection::new(WatchedIo { io, activity: Arc::clone(&activity) });
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
    // Without a timer hyper has no timeouts of its own; its one for headers would close idle connections too.
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(io), service));
    let (mut stop, mut is_stopping) = (pin!(shared.stopping.cancelled()), false);
    let mut close = pin!(activity.close.cancelled());
    let mut timer = pin!(tokio::time::sleep_until(Instant::now() + shared.timeouts.header));
    // The activity changes only while the connection is polled, so that the deadline is known after each poll.
    poll_fn(|cx| {
        if !is_stopping && stop.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
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
                return Poll::Ready(());
            }
            let Some(deadline) = deadline else { return Poll::Pending };
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
