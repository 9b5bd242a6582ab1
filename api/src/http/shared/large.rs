//! Middleware: rejects requests whose `Content-Length` exceeds the limit of their path.

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

/// Paths whose bodies carry data; bodies of other requests are queries.
const DATA_PATHS: [&str; 5] = ["/api/v1/write", "/v1/events", "/v1/metrics", "/v1/traces", "/v1/logs"];

/// Largest body of a query in bytes. A tree of JSON takes up to 32 times its text in memory.
const MAX_QUERY_BYTES: usize = 1 << 20;

/// Returns the largest body of a query in bytes, by that of all requests.
pub(in crate::http) fn query_limit(max_body: usize) -> usize {
    max_body.min(MAX_QUERY_BYTES)
}

/// Responds with 413 to a body whose declared length exceeds the limit of its path, after reading the body.
pub(in crate::http) async fn refuse_large_bodies(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let (max_body, path) = (state.config.server.max_body.bytes(), request.uri().path());
    let limit = if DATA_PATHS.contains(&path) { max_body } else { query_limit(max_body) };
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let is_large = |length: &usize| *length > limit && path != IMPORT_PATH;
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
    let message = if limit == max_body {
        format!("the body has {length} bytes; server.max_body allows {limit}")
    } else {
        format!("the body has {length} bytes; a query may have {limit}")
    };
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).into_response()
}
