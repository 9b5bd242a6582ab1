//! Middleware: brings errors of every layer into the format of the API that was called.

use std::any::Any;

use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ApiError;
use crate::http::{
    ingest,
    mcp::IsMcp,
    page::{Asked, IsPage, for_people},
    prometheus,
};

/// Maximum size of another layer's error text that is read. Such texts are short; the limit only bounds memory.
const MAX_TEXT: usize = 16 << 20;

/// Responds to unknown paths with 404; to a browser as a page.
pub(in crate::http) async fn unknown_path(request: Request) -> Response {
    let (method, uri) = (request.method(), request.uri());
    let message = format!("no route {method} {}; see /openapi.json for all routes", uri.path());
    let response = ApiError::not_found("not_found", message).into_response();
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.starts_with("text/html") { for_people(response, &Asked::of(&request)) } else { response }
}

/// Returns the response to a request whose handler panicked; the panic itself is logged.
pub(crate) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed; see the service's log")
        .into_response()
}

/// Rewrites error responses, including those of extractors and of the router: as Prometheus' errors under `/api/v1`, as
/// `google.rpc.Status` on OTLP's paths, as [`ApiError`] elsewhere. Message, code and headers are kept.
pub(in crate::http) async fn reshape_errors(request: Request, next: Next) -> Response {
    let is_prometheus = prometheus::is_prometheus_path(request.uri().path());
    let otlp = ingest::otlp_error_encoding(&request);
    let response = next.run(request).await;
    let status = response.status();
    let extensions = response.extensions();
    let is_complete = extensions.get::<IsPage>().is_some() || extensions.get::<IsMcp>().is_some();
    if !(status.is_client_error() || status.is_server_error()) || is_complete {
        return response;
    }
    let api_error = response.extensions().get::<ApiError>().cloned();
    let is_formatted =
        if is_prometheus { prometheus::is_formatted(&response) } else { api_error.is_some() && otlp.is_none() };
    if is_formatted {
        return response;
    }
    let (parts, body) = response.into_parts();
    let error = match api_error {
        Some(error) => error,
        // Written by a layer that does not use `ApiError`, such as an extractor: the body is the message.
        None => {
            let body = to_bytes(body, MAX_TEXT).await.unwrap_or_default();
            ApiError::new(status, code(status), text(&body, status))
        }
    };
    let mut formatted = if let Some(encoding) = otlp {
        ingest::otlp_error(&error, encoding)
    } else if is_prometheus {
        prometheus::error_response(status, prometheus::error_type(status), error.message())
    } else {
        error.into_response()
    };
    keep_headers(&parts.headers, &mut formatted);
    formatted
}

/// Copies all headers that do not describe the body, such as `Allow` of 405, `Retry-After` of 429 and
/// `WWW-Authenticate` of 401, including repeated ones.
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
