//! Accepting, dismissing and reporting as applied.

use almanac_engine::{
    ledger::{Ledger, LedgerError},
    store::rows::RecommendationRow,
};
use almanac_models::Timestamp;
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde::Deserialize;
use utoipa::{IntoResponses, ToSchema};

use super::RecommendationBody;
use crate::http::{ApiError, AppState, ErrorBody};

/// Who reports, where nobody says so.
const NOBODY: &str = "api";
const ACTOR_LENGTH: usize = 200;
const NOTE_LENGTH: usize = 4_000;

/// Who reports and what they say about it; may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Report {
    /// A person or a program; `api` when left out.
    actor: Option<String>,
    /// Anything worth keeping.
    note: Option<String>,
}

/// How a report is refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of the answers")]
enum Refused {
    /// the body is no report
    #[response(status = 400)]
    NoReport(ErrorBody),
    /// there is none with this id
    #[response(status = 404)]
    Unknown(ErrorBody),
    /// its state does not allow that
    #[response(status = 409)]
    NotAllowed(ErrorBody),
}

type Change = fn(&Ledger, &str, &str, Option<&str>, Timestamp) -> Result<RecommendationRow, LedgerError>;

/// Somebody agrees; said twice it counts once.
#[utoipa::path(post, path = "/v1/recommendations/{id}/accept", tag = "recommendations", request_body = Option<Report>,
    params(("id" = String, Path, description = "its id")),
    responses((status = 200, description = "the recommendation as it is now", body = RecommendationBody), Refused))]
pub(super) async fn accept(
    state: State<AppState>,
    id: Path<String>,
    body: Bytes,
) -> Result<Json<RecommendationBody>, ApiError> {
    report(state, id, body, Ledger::accept).await
}

/// Somebody declines: it is not proposed again until the facts change.
#[utoipa::path(post, path = "/v1/recommendations/{id}/dismiss", tag = "recommendations", request_body = Option<Report>,
    params(("id" = String, Path, description = "its id")),
    responses((status = 200, description = "the recommendation as it is now", body = RecommendationBody), Refused))]
pub(super) async fn dismiss(
    state: State<AppState>,
    id: Path<String>,
    body: Bytes,
) -> Result<Json<RecommendationBody>, ApiError> {
    report(state, id, body, Ledger::dismiss).await
}

/// Somebody put it into effect; from now on what it does is measured. Said twice it counts once.
#[utoipa::path(post, path = "/v1/recommendations/{id}/applied", tag = "recommendations", request_body = Option<Report>,
    params(("id" = String, Path, description = "its id")),
    responses((status = 200, description = "the recommendation as it is now", body = RecommendationBody), Refused))]
pub(super) async fn applied(
    state: State<AppState>,
    id: Path<String>,
    body: Bytes,
) -> Result<Json<RecommendationBody>, ApiError> {
    report(state, id, body, Ledger::applied).await
}

async fn report(
    State(state): State<AppState>,
    Path(id): Path<String>,
    body: Bytes,
    change: Change,
) -> Result<Json<RecommendationBody>, ApiError> {
    let Report { actor, note } = Report::read(&body)?;
    let (ledger, now) = (state.ledger.clone(), state.clock.now());
    let row = state
        .blocking(move || {
            let actor = actor.as_deref().map(str::trim).filter(|actor| !actor.is_empty()).unwrap_or(NOBODY);
            change(&ledger, &id, actor, note.as_deref(), now)
        })
        .await?;
    Ok(Json(row.into()))
}

impl Report {
    /// Reads a body; an empty one says nothing.
    fn read(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let report: Self = serde_json::from_slice(body).map_err(|error| {
            let message = format!("the body is not {{\"actor\": \"…\", \"note\": \"…\"}}: {error}");
            ApiError::bad_request("invalid_body", message)
        })?;
        for (name, text, most) in [("actor", &report.actor, ACTOR_LENGTH), ("note", &report.note, NOTE_LENGTH)] {
            if let Some(length) = text.as_ref().map(String::len).filter(|&length| length > most) {
                let message = format!("{name} has {length} bytes, at most {most} are kept");
                return Err(ApiError::bad_request("invalid_body", message));
            }
        }
        Ok(report)
    }
}
