//! Middleware: rejects requests whose `Content-Length` exceeds `server.max_body`.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_LENGTH},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;

use crate::http::{ApiError, AppState};

/// Maximum number of bytes of a rejected body that are read and discarded. A sender whose connection closes while it
/// writes does not read the response.
const MAX_DRAINED_BYTES: usize = 64 << 20;
/// Maximum time for that.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Path without this limit: an import is read in parts and has its own limit.
const IMPORT_PATH: &str = "/v1/import";

/// Responds with 413 to a body whose declared length exceeds `server.max_body`, after reading the body.
pub(in crate::http) async fn refuse_large_bodies(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let limit = state.config.server.max_body.bytes();
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let is_large = |length: &usize| *length > limit && request.uri().path() != IMPORT_PATH;
    let Some(length) = length.filter(is_large) else { return next.run(request).await };
    let mut body = request.into_body().into_data_stream();
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, async {
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
