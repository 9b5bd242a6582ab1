//! Middleware: counts the bytes of bodies while they are received and used, over all requests together.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use parking_lot::Mutex;

use super::{Budget, Reserved};
use crate::http::ApiError;

/// Time for which a body waits for memory.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Time for which the next part of a body may stay away.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// Bytes at the start of each body that are not counted: a small request is served also while large bodies take all
/// memory. The number of connections bounds their sum.
const FREE_BYTES: usize = 64 << 10;

/// Path without this limit: an import is written to disk as it arrives.
const IMPORT_PATH: &str = "/v1/import";

/// Reserves memory for each part of the body when it arrives, and returns it after the response is ready.
///
/// Responds with 503 when the memory is not free in time, and with 408 when the body stops to arrive.
pub(crate) async fn bound_bodies(State(budget): State<Budget>, request: Request, next: Next) -> Response {
    if request.uri().path() == IMPORT_PATH {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    if body.size_hint().upper().is_some_and(|bytes| bytes <= FREE_BYTES as u64) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let held = Arc::new(Mutex::new(Reserved::default()));
    let failure = Arc::new(Mutex::new(None));
    let (lent, failed) = (Arc::clone(&held), Arc::clone(&failure));
    let counted = stream::unfold((body.into_data_stream(), 0), move |(mut body, received)| {
        let (budget, lent, failed) = (budget.clone(), Arc::clone(&lent), Arc::clone(&failed));
        async move {
            let part = match tokio::time::timeout(MAX_IDLE, body.next()).await {
                Ok(part) => part?,
                Err(_) => {
                    *failed.lock() = Some(idle());
                    return Some((Err(axum::Error::new("the body did not arrive")), (body, received)));
                }
            };
            let bytes = part.as_ref().map_or(0, Bytes::len);
            let counted = (received + bytes).saturating_sub(FREE_BYTES).min(bytes);
            let part = match budget.reserve(counted, MAX_WAIT).await {
                Ok(more) => {
                    lent.lock().add(more);
                    part
                }
                Err(error) => {
                    *failed.lock() = Some(error);
                    Err(axum::Error::new("no memory is free for the body"))
                }
            };
            Some((part, (body, received + bytes)))
        }
    });
    let response = next.run(Request::from_parts(parts, Body::from_stream(counted))).await;
    drop(held);
    let failed = failure.lock().take();
    failed.map_or(response, IntoResponse::into_response)
}

/// Returns the error for a body of which nothing arrives any more.
fn idle() -> ApiError {
    let message = format!("no part of the body arrived for {} s", MAX_IDLE.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_idle", message)
}
