use std::any::Any;

use axum::{
    body::to_bytes,
    extract::Request,
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ApiError;
use crate::http::prometheus;

/// Longest text of another layer's error that is passed on.
const MAX_TEXT: usize = 4096;

/// Answers for paths that do not exist.
pub(in crate::http) async fn unknown_path(method: Method, uri: Uri) -> ApiError {
    ApiError::not_found("not_found", format!("there is no {method} {}; /openapi.json lists what there is", uri.path()))
}

/// What is answered when a handler panicked; the panic itself is in the log.
pub(in crate::http) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed here; the service's log says why")
        .into_response()
}

/// Brings every error into one shape, those of extractors and of the router too: our own, or under `/api/v1`
/// Prometheus'.
pub(in crate::http) async fn reshape_errors(request: Request, next: Next) -> Response {
    let as_prometheus = prometheus::owns(request.uri().path());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json && !as_prometheus {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MAX_TEXT).await else {
        return ApiError::new(status, code(status), reason(status)).into_response();
    };
    if as_prometheus {
        if is_json && body.starts_with(br#"{"status""#) {
            return Response::from_parts(parts, body.into());
        }
        let message = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("message")?.as_str()?.to_owned()))
            .unwrap_or_else(|| text(&body, status));
        let mut shaped = prometheus::error_response(status, prometheus::error_type(status), &message);
        keep_headers(&parts.headers, &mut shaped);
        return shaped;
    }
    let mut shaped = ApiError::new(status, code(status), text(&body, status)).into_response();
    keep_headers(&parts.headers, &mut shaped);
    shaped
}

/// Headers that belong to the status: `Allow` of 405, `Retry-After` of 429, `WWW-Authenticate` of 401, ours.
fn keep_headers(from: &axum::http::HeaderMap, to: &mut Response) {
    for (name, value) in from {
        if name != CONTENT_TYPE && name != axum::http::header::CONTENT_LENGTH {
            to.headers_mut().insert(name.clone(), value.clone());
        }
    }
}

fn text(body: &[u8], status: StatusCode) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() { reason(status) } else { text.to_owned() }
}

fn reason(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("the request failed").to_lowercase()
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::TOO_MANY_REQUESTS => "busy",
        status if status.is_client_error() => "refused",
        _ => "internal",
    }
}
