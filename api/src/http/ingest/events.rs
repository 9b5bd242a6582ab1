//! `POST /v1/events`: cache events, deploys and incidents.

use std::time::Duration;

use almanac_engine::ingest::parse_events;
use axum::{Extension, Json, body::Bytes, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, ErrorBody, Lane, guard::AuditNote};

/// Size of a body in bytes below which its parsed events are not counted as memory of bodies.
const SMALL_BODY: usize = 1 << 20;

/// Memory of parsed events, in multiples of their text.
const PARSED_FACTOR: usize = 4;

/// Time for which a large body waits for that memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);

/// Number of events stored, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct EventsBody {
    /// Number of cache events.
    cache: usize,
    /// Number of deploys.
    deploys: usize,
    /// Number of incidents.
    incidents: usize,
}

/// Stores cache events, deploys and incidents, sent as a JSON array or as one object per line.
///
/// All events are on disk when the response is sent. One invalid event rejects all of them. Sending the same events
/// again has no effect.
#[utoipa::path(post, path = "/v1/events", tag = "senders",
    request_body(content = Vec<serde_json::Value>, description = "events with \"type\": cache, deploy or incident",
        example = json!([
            {"type": "cache", "timestamp": 1767225600000_i64, "cache": "user_profile", "key": "42", "op": "get", "bytes": 512, "miss_cost_ms": 3.5},
            {"type": "deploy", "timestamp": "2026-01-01T00:00:00Z", "service": "api", "version": "1.4.2"},
            {"type": "incident", "started_at": 1767225600000_i64, "ended_at": 1767225900000_i64, "title": "slow queries", "target": "api"}
        ])),
    responses((status = 200, description = "all events are on disk", body = EventsBody),
        (status = 400, description = "an event is invalid; none is stored", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 429, description = "the store is busy; retry after the time in Retry-After", body = ErrorBody)))]
pub(super) async fn events(
    State(state): State<AppState>,
    Extension(note): Extension<AuditNote>,
    body: Bytes,
) -> Result<Json<EventsBody>, ApiError> {
    let (store, limits, now) = (state.store.clone(), *state.ingest.limits(), state.clock.now());
    let counted = body.len().saturating_sub(SMALL_BODY).saturating_mul(PARSED_FACTOR);
    let reserved = state.budget.reserve(counted, MEMORY_WAIT).await?;
    state
        .run(Lane::Ingest, move || {
            let _reserved = reserved;
            let batch = parse_events(&body, &limits, now)
                .map_err(|error| ApiError::bad_request("invalid_event", error.to_string()))?;
            let taken =
                EventsBody { cache: batch.cache.len(), deploys: batch.deploys.len(), incidents: batch.incidents.len() };
            note.set(format!("{} cache events, {} deploys, {} incidents", taken.cache, taken.deploys, taken.incidents));
            store.put_events(batch)?;
            Ok::<_, ApiError>(Json(taken))
        })
        .await
}
