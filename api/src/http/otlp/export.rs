//! Receives one export: reserves its memory, decodes it outside of the threads that serve connections, and waits until it
//! is on disk.

use std::{io::Read, time::Duration};

use almanac_engine::ingest::otlp::{Encoding, ExportSummary, OtlpError, Signal};
use axum::http::StatusCode;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::http::{ApiError, AppState, Lane};

/// Time for which an export waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);

/// Time for which an export waits until its samples are on disk.
const COMMIT_WAIT: Duration = Duration::from_secs(60);

/// Memory of an export that is not counted, so that small ones are served while large ones take all memory.
const SMALL: usize = 256 << 10;

/// Stores an export; the answer comes when it is on disk.
///
/// # Errors
/// 400 for a body that cannot be decoded, 413 for one that is too large, 429 and 503 with `Retry-After` when the service
/// is busy. Nothing of the export is stored then.
pub(crate) async fn receive(
    state: &AppState,
    signal: Signal,
    encoding: Encoding,
    body: Bytes,
) -> Result<ExportSummary, ApiError> {
    let now = state.received_now();
    let needed = state.otlp.memory_needed(signal, encoding, &body).map_err(refused)?;
    let reserved = state.budget.reserve(needed.saturating_sub(SMALL), MEMORY_WAIT).await?;
    let otlp = state.otlp.clone();
    let work = move || {
        let _reserved = reserved;
        otlp.receive(signal, encoding, &body, now).map_err(refused)
    };
    let mut pending = state.run(Lane::Ingest, work).await?;
    let metadata = pending.take_metadata();
    let summary = tokio::time::timeout(COMMIT_WAIT, pending.committed()).await.map_err(|_| slow_commit())??;
    if !metadata.is_empty() {
        // The samples are on disk, so a failure here must not make the sender repeat them.
        let ingest = state.ingest.clone();
        let put = state.run(Lane::Ingest, move || ingest.put_metadata(&metadata).map_err(ApiError::from)).await;
        if let Err(error) = put {
            tracing::warn!(error = error.message(), "metadata of an OTLP export were not stored");
        }
    }
    Ok(summary)
}

/// Decompresses a body of at most `limit` bytes, outside of the threads that serve connections.
///
/// # Errors
/// 400 when the body is not gzip, 413 when it is larger.
pub(crate) async fn gunzipped(state: &AppState, body: Bytes) -> Result<Bytes, ApiError> {
    let limit = state.ingest.limits().decoded_bytes;
    // The end of a gzip stream declares the size; the limit holds for bodies that declare a wrong one.
    let declared = body.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
    let reserved = state.budget.reserve(declared.min(limit).saturating_sub(SMALL), MEMORY_WAIT).await?;
    let work = move || {
        let _reserved = reserved;
        let mut bytes = Vec::with_capacity(declared.min(limit).min(body.len().saturating_mul(1_040)));
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = MultiGzDecoder::new(&body[..]).take(most).read_to_end(&mut bytes);
        read.map_err(|error| ApiError::bad_request("malformed_request", format!("the body is not gzip: {error}")))?;
        if bytes.len() > limit {
            let message = format!("the body has more than {limit} bytes (configuration ingest.max_decoded)");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message));
        }
        Ok(Bytes::from(bytes))
    };
    state.run(Lane::Ingest, work).await
}

fn refused(error: OtlpError) -> ApiError {
    let message = error.to_string();
    match error {
        OtlpError::Store(error) => error.into(),
        OtlpError::TooLarge { .. } | OtlpError::TooManySeries { .. } => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        }
        _ => ApiError::bad_request("malformed_request", message),
    }
}

/// Returns the error for samples that are not on disk in time. They may be later.
fn slow_commit() -> ApiError {
    let message = format!("the export was not on disk within {} s; send it again", COMMIT_WAIT.as_secs());
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "commit_slow", message).retry_after(Duration::from_secs(5))
}
