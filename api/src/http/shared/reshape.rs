//! Brings errors of every layer into the shape of the interface that was called.

use std::any::Any;

use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ApiError;
use crate::http::prometheus;

/// Most bytes of a text that another layer wrote; such texts are short, and the bound is for what nobody thought of.
const MAX_TEXT: usize = 16 << 20;

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
/// Prometheus'. Reason, code and headers are kept whatever the length.
pub(in crate::http) async fn reshape_errors(request: Request, next: Next) -> Response {
    let as_prometheus = prometheus::owns(request.uri().path());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let known = response.extensions().get::<ApiError>().cloned();
    let is_shaped = if as_prometheus { prometheus::is_shaped(&response) } else { known.is_some() };
    if is_shaped {
        return response;
    }
    let (parts, body) = response.into_parts();
    let error = match known {
        Some(error) => error,
        // A layer that knows nothing of our errors wrote a text.
        None => {
            let body = to_bytes(body, MAX_TEXT).await.unwrap_or_default();
            ApiError::new(status, code(status), text(&body, status))
        }
    };
    let mut shaped = if as_prometheus {
        prometheus::error_response(status, prometheus::error_type(status), error.message())
    } else {
        error.into_response()
    };
    keep_headers(&parts.headers, &mut shaped);
    shaped
}

/// Keeps headers that belong to the status, such as `Allow` of 405, `Retry-After` of 429, `WWW-Authenticate` of 401, and
/// those of other layers; several of one name are kept.
fn keep_headers(from: &HeaderMap, to: &mut Response) {
    let of_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    for name in from.keys().filter(|name| !of_body.contains(name)) {
        to.headers_mut().remove(name);
        for value in from.get_all(name) {
            to.headers_mut().append(name.clone(), value.clone());
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
