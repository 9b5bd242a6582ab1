//! Middleware: ends requests whose body arrives too slowly, so that they do not hold memory and connections.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::CONNECTION},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::http::{ApiError, AppState};

/// Bytes that must arrive within `server.body_timeout`; a body may end with fewer.
const MIN_PROGRESS_BYTES: usize = 16 << 10;

/// Responds with 408 when fewer than [`MIN_PROGRESS_BYTES`] of the body arrive within `server.body_timeout`.
///
/// Only the time in which a handler waits for the sender counts.
pub(crate) async fn time_out_slow_bodies(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let timeout = state.config.server.body_timeout.duration();
    let is_late = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        Body::new(TimedBody { body, timeout, left: timeout, bytes: 0, waiting: None, is_late: Arc::clone(&is_late) })
    });
    let response = next.run(request).await;
    if !is_late.load(Ordering::Acquire) {
        return response;
    }
    let message = format!(
        "the body arrived too slowly: within {} it has to end or to send {MIN_PROGRESS_BYTES} bytes (server.body_timeout)",
        humantime::format_duration(timeout)
    );
    let mut response = ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message).into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A body that fails when its sender is too slow.
struct TimedBody {
    body: Body,
    timeout: Duration,
    /// Waiting time that is left for the next [`MIN_PROGRESS_BYTES`].
    left: Duration,
    /// Bytes that arrived of these.
    bytes: usize,
    /// Start of the present wait, and its end.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    is_late: Arc<AtomicBool>,
}

/// The body arrived too slowly.
#[derive(Debug)]
struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body arrived too slowly")
    }
}

impl std::error::Error for TooSlow {}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.left = this.left.saturating_sub(since.elapsed());
            }
            if let Some(Ok(frame)) = &frame {
                this.bytes += frame.data_ref().map_or(0, Bytes::len);
            }
            if this.bytes >= MIN_PROGRESS_BYTES {
                (this.bytes, this.left) = (0, this.timeout);
            }
            return Poll::Ready(frame);
        }
        let left = this.left;
        let (_, sleep) = this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.is_late.store(true, Ordering::Release);
        Poll::Ready(Some(Err(axum::Error::new(TooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
