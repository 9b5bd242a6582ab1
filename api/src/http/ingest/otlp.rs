//! `POST /v1/metrics`, `/v1/traces`, `/v1/logs`: OTLP over HTTP, as protobuf or JSON, optionally with gzip.

use almanac_engine::ingest::otlp::{Encoding, Signal};
use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use prost::Message;
use serde_json::json;

use crate::http::{
    ApiError, AppState,
    otlp::{RpcStatus, answer, answer_json, code_of, gunzipped, receive, retry_details},
};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Paths of OTLP.
const PATHS: [&str; 3] = ["/v1/metrics", "/v1/traces", "/v1/logs"];

/// Stores the metrics of an OTLP export as series.
///
/// 200 means that every data point is on disk, except those in `partial_success`, which says why. 429 and 503 have a
/// `Retry-After`. Errors are a `google.rpc.Status` in the encoding of the request.
#[utoipa::path(post, path = "/v1/metrics", tag = "senders",
    request_body(content = Vec<u8>, content_type = "application/x-protobuf", description = "ExportMetricsServiceRequest, also as application/json"),
    responses((status = 200, description = "on disk; ExportMetricsServiceResponse"),
        (status = 400, description = "malformed; nothing is stored"),
        (status = 413, description = "too large; send smaller batches"),
        (status = 415, description = "unsupported content type or encoding"),
        (status = 429, description = "the store is busy; retry after the time in Retry-After")))]
pub(super) async fn otlp_metrics(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    export(&state, Signal::Metrics, &headers, body).await
}

/// Stores the spans of an OTLP export as RED metrics: `traces_span_metrics_calls_total` and
/// `traces_span_metrics_duration_seconds`. The statements of their requests are counted by route, in `request_statements`.
#[utoipa::path(post, path = "/v1/traces", tag = "senders",
    request_body(content = Vec<u8>, content_type = "application/x-protobuf", description = "ExportTraceServiceRequest, also as application/json"),
    responses((status = 200, description = "the counts are on disk; ExportTraceServiceResponse"),
        (status = 400, description = "malformed; nothing is stored"),
        (status = 413, description = "too large; send smaller batches"),
        (status = 415, description = "unsupported content type or encoding"),
        (status = 429, description = "the store is busy; retry after the time in Retry-After")))]
pub(super) async fn otlp_traces(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    export(&state, Signal::Traces, &headers, body).await
}

/// Stores the log records of an OTLP export as counts by service, severity and template: `log_messages_total`.
#[utoipa::path(post, path = "/v1/logs", tag = "senders",
    request_body(content = Vec<u8>, content_type = "application/x-protobuf", description = "ExportLogsServiceRequest, also as application/json"),
    responses((status = 200, description = "the counts are on disk; ExportLogsServiceResponse"),
        (status = 400, description = "malformed; nothing is stored"),
        (status = 413, description = "too large; send smaller batches"),
        (status = 415, description = "unsupported content type or encoding"),
        (status = 429, description = "the store is busy; retry after the time in Retry-After")))]
pub(super) async fn otlp_logs(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    export(&state, Signal::Logs, &headers, body).await
}

async fn export(state: &AppState, signal: Signal, headers: &HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let encoding = encoding(headers).ok_or_else(|| {
        let message = format!("the content type of OTLP is {PROTOBUF} or {JSON}");
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    })?;
    let body = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None => body,
        Some(named) if named.eq_ignore_ascii_case(b"identity") => body,
        Some(named) if named.eq_ignore_ascii_case(b"gzip") => gunzipped(state, body).await?,
        Some(named) => {
            let named = String::from_utf8_lossy(named);
            let message = format!("content encoding {named:?} is not supported; use gzip or none");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
    };
    let summary = receive(state, signal, encoding, body).await?;
    Ok(match encoding {
        Encoding::Protobuf => protobuf(answer(signal, &summary)),
        Encoding::Json => Json(answer_json(signal, &summary)).into_response(),
    })
}

fn protobuf(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF))], body).into_response()
}

/// Returns the encoding of a request; `None` if it is no OTLP.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let named = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media = named.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case(PROTOBUF) || media.eq_ignore_ascii_case("application/protobuf") {
        Some(Encoding::Protobuf)
    } else {
        media.eq_ignore_ascii_case(JSON).then_some(Encoding::Json)
    }
}

/// How the errors of a request are written; `None` if its path is not one of OTLP.
pub(in crate::http) fn error_encoding(request: &Request) -> Option<Encoding> {
    let is_otlp = PATHS.contains(&request.uri().path());
    is_otlp.then(|| encoding(request.headers()).unwrap_or(Encoding::Json))
}

/// Returns an error as `google.rpc.Status`. A sender of OTLP repeats a request only after 429, 502, 503 and 504, so that a
/// full disk and a slow body are 503 here.
pub(in crate::http) fn error_response(error: &ApiError, encoding: Encoding) -> Response {
    let status = match error.status() {
        StatusCode::INSUFFICIENT_STORAGE | StatusCode::REQUEST_TIMEOUT => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let code = code_of(status) as i32;
    let mut response = match encoding {
        Encoding::Protobuf => {
            let details = retry_details(error.wait());
            protobuf(RpcStatus { code, message: error.message().to_owned(), details }.encode_to_vec())
        }
        Encoding::Json => Json(json!({"code": code, "message": error.message()})).into_response(),
    };
    *response.status_mut() = status;
    response.extensions_mut().insert(error.clone());
    response
}
