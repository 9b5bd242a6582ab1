//! Refuses bodies that are larger than allowed.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_LENGTH},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;

use crate::http::{ApiError, AppState};

/// Bytes of a refused body that are read and thrown away, and for how long: a sender that is cut off while it writes does not
/// read the answer.
const MAX_DRAINED_BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// A file is taken in parts, has a bound of its own, and may be larger.
const FILES: &str = "/v1/import";

/// Refuses a body that says it is larger than `server.max_body`, once it has been sent.
pub(in crate::http) async fn refuse_large_bodies(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let limit = state.config.server.max_body.bytes();
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let is_large = |length: &usize| *length > limit && request.uri().path() != FILES;
    let Some(length) = length.filter(is_large) else { return next.run(request).await };
    let mut body = request.into_body().into_data_stream();
    let _ = tokio::time::timeout(PATIENCE, async {
        let mut read = 0;
        while let Some(Ok(part)) = body.next().await {
            read += part.len();
            if read > MAX_DRAINED_BYTES {
                break;
            }
        }
    })
    .await;
    let message = format!("the body has {length} bytes; server.max_body allows {limit}");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).into_response()
}
