//! `POST /api/v1/write`: Prometheus remote write 1.0 and 2.0.

use almanac_engine::ingest::{
    Ingest, PendingWrite, WriteError, WriteSummary,
    remote_write::{Version, WireError},
};
use almanac_models::Timestamp;
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};

use super::negotiate::version;
use crate::http::{ApiError, AppState, ErrorBody};

const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// Size in bytes above which bodies are decoded outside of the threads that serve connections. For the usual request of
/// a few thousand samples the hand-over would take longer than the decoding.
const LARGE_BODY: usize = 256 << 10;

/// Stores samples and metadata sent by Prometheus remote write 1.0 or 2.0.
///
/// 204 means that every sample is on disk. A request with invalid samples gets 400, and its valid samples are stored.
/// Samples of new series beyond the limit of series are invalid; existing series are not affected. 429 has a
/// `Retry-After`.
#[utoipa::path(post, path = "/api/v1/write", tag = "senders",
    request_body(content = Vec<u8>, content_type = "application/x-protobuf", description = "a snappy block of prometheus.WriteRequest or io.prometheus.write.v2.Request"),
    responses((status = 204, description = "all samples are on disk"),
        (status = 400, description = "malformed, or some samples are invalid; the valid ones are on disk", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "unsupported message or encoding", body = ErrorBody),
        (status = 429, description = "the store is busy; retry after the time in Retry-After", body = ErrorBody)))]
pub(super) async fn write(State(state): State<AppState>, headers: HeaderMap, body: Bytes) -> Response {
    let version = match version(&headers) {
        Ok(version) => version,
        Err(error) => return error.into_response(),
    };
    let (result, written) = match take(&state, version, body).await {
        Ok(summary) if summary.is_partial() => {
            (Err(ApiError::bad_request("invalid_samples", summary.to_string())), summary.samples_written)
        }
        Ok(summary) => (Ok(StatusCode::NO_CONTENT), summary.samples_written),
        Err(error) => (Err(error), 0),
    };
    let mut response = result.into_response();
    if version == Version::V2 {
        let headers = response.headers_mut();
        headers.insert(SAMPLES_WRITTEN, HeaderValue::from(written));
        headers.insert(HISTOGRAMS_WRITTEN, HeaderValue::from(0));
        headers.insert(EXEMPLARS_WRITTEN, HeaderValue::from(0));
    }
    response
}

/// Decodes a request, waits until its samples are committed, then stores its metadata.
async fn take(state: &AppState, version: Version, body: Bytes) -> Result<WriteSummary, ApiError> {
    let now = state.received_now();
    let mut pending = if body.len() > LARGE_BODY {
        let ingest = state.ingest.clone();
        state.blocking(move || decode(&ingest, version, &body, now)).await?
    } else {
        decode(&state.ingest, version, &body, now)?
    };
    let metadata = pending.take_metadata();
    let summary = pending.committed().await?;
    if !metadata.is_empty() {
        // The samples are on disk, so a failure here must not make the sender repeat them.
        let ingest = state.ingest.clone();
        let put = state.blocking(move || ingest.put_metadata(&metadata).map_err(ApiError::from)).await;
        if let Err(error) = put {
            tracing::warn!(error = error.message(), "metadata of a remote write were not stored");
        }
    }
    Ok(summary)
}

fn decode(ingest: &Ingest, version: Version, body: &[u8], now: Timestamp) -> Result<PendingWrite, ApiError> {
    ingest.remote_write(version, body, now).map_err(|error| match error {
        WriteError::Store(error) => error.into(),
        WriteError::Wire(error @ WireError::TooLarge { .. }) => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", error.to_string())
        }
        other => ApiError::bad_request("malformed_request", other.to_string()),
    })
}
