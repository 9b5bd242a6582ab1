//! `POST /api/v1/write`: Prometheus remote write 1.0 and 2.0.

use std::time::Duration;

use almanac_engine::ingest::{
    WriteError, WriteSummary,
    remote_write::{Request, Version, WireError},
};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};

use super::negotiate::version;
use crate::http::{ApiError, AppState, ErrorBody, Lane};

const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// Decompressed size in bytes above which bodies are decoded outside of the threads that serve connections. For the
/// usual request of a few thousand samples the hand-over would take longer than the decoding.
const LARGE_REQUEST: usize = 1 << 20;

/// Memory that a large request takes while it is decoded, in multiples of its decompressed size.
const DECODED_FACTOR: usize = 12;

/// Time for which a request waits until its samples are on disk.
const COMMIT_WAIT: Duration = Duration::from_secs(60);

/// Time for which a large request waits for that memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);

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
            (Err(ApiError::bad_request("invalid_samples", summary.to_string())), summary)
        }
        Ok(summary) => (Ok(StatusCode::NO_CONTENT), summary),
        Err(error) => (Err(error), WriteSummary::default()),
    };
    let mut response = result.into_response();
    if version == Version::V2 {
        let headers = response.headers_mut();
        headers.insert(SAMPLES_WRITTEN, HeaderValue::from(written.samples_written));
        headers.insert(HISTOGRAMS_WRITTEN, HeaderValue::from(written.histograms_written));
        headers.insert(EXEMPLARS_WRITTEN, HeaderValue::from(written.exemplars_written));
    }
    response
}

/// Decodes a request, waits until its samples are committed, then stores its metadata.
async fn take(state: &AppState, version: Version, body: Bytes) -> Result<WriteSummary, ApiError> {
    let now = state.received_now();
    let declared = Request::declared_bytes(&body).unwrap_or(0).min(state.ingest.limits().decoded_bytes);
    let mut pending = if declared > LARGE_REQUEST {
        let reserved = state.budget.reserve(declared.saturating_mul(DECODED_FACTOR), MEMORY_WAIT).await?;
        let ingest = state.ingest.clone();
        let work = move || {
            let _reserved = reserved;
            ingest.remote_write(version, &body, now).map_err(refused)
        };
        state.run(Lane::Ingest, work).await?
    } else {
        let decoded = state.ingest.decode(version, &body).map_err(refused)?;
        if decoded.is_known() {
            decoded.append(now).map_err(refused)?
        } else {
            // New series need a lock that a query may hold.
            state.run(Lane::Ingest, move || decoded.append(now).map_err(refused)).await?
        }
    };
    let metadata = pending.take_metadata();
    let summary = tokio::time::timeout(COMMIT_WAIT, pending.committed()).await.map_err(|_| slow_commit())??;
    if !metadata.is_empty() {
        // The samples are on disk, so a failure here must not make the sender repeat them.
        let ingest = state.ingest.clone();
        let put = state.run(Lane::Ingest, move || ingest.put_metadata(&metadata).map_err(ApiError::from)).await;
        if let Err(error) = put {
            tracing::warn!(error = error.message(), "metadata of a remote write were not stored");
        }
    }
    Ok(summary)
}

/// Returns the error for samples that are not on disk in time. They may be later; sending them again has no effect then.
fn slow_commit() -> ApiError {
    let message = format!("the samples were not on disk within {} s; send them again", COMMIT_WAIT.as_secs());
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "commit_slow", message).retry_after(Duration::from_secs(5))
}

fn refused(error: WriteError) -> ApiError {
    match error {
        WriteError::Store(error) => error.into(),
        WriteError::Wire(error @ (WireError::TooLarge { .. } | WireError::TooManyParts { .. })) => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", error.to_string())
        }
        other => ApiError::bad_request("malformed_request", other.to_string()),
    }
}
