//! `POST /v1/recommendations/{id}/accept`, `/dismiss` and `/applied`: reports that change the state.

use almanac_engine::{
    ledger::{Ledger, LedgerError},
    store::rows::RecommendationRow,
};
use almanac_models::Timestamp;
use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
};
use serde::Deserialize;
use utoipa::{IntoResponses, ToSchema};

use super::RecommendationBody;
use crate::{
    access::Caller,
    http::{ApiError, AppState, ErrorBody, Lane},
};

/// Actor of a report that names none.
const DEFAULT_ACTOR: &str = "api";
/// Maximum length of an actor, in bytes.
const MAX_ACTOR_BYTES: usize = 200;
/// Maximum length of a note, in bytes.
const MAX_NOTE_BYTES: usize = 4_000;

/// Actor and note of a report; both may be left out, and so may the body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Report {
    /// Person or program that reports; left out: `api`. With a token the actor is the token's name, and this name is
    /// part of the note.
    actor: Option<String>,
    /// Note to keep with the change.
    note: Option<String>,
}

/// Error responses to a report.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only used in the OpenAPI description")]
enum Refused {
    /// the body is not a report
    #[response(status = 400)]
    NoReport(ErrorBody),
    /// no recommendation has this id
    #[response(status = 404)]
    Unknown(ErrorBody),
    /// the state of the recommendation does not allow this change
    #[response(status = 409)]
    NotAllowed(ErrorBody),
}

/// A method of the ledger that changes the state.
type Transition = fn(&Ledger, &str, &str, Option<&str>, Timestamp) -> Result<RecommendationRow, LedgerError>;

/// Marks the recommendation as accepted. Repeating the call has no effect.
#[utoipa::path(post, path = "/v1/recommendations/{id}/accept", tag = "recommendations", request_body = Option<Report>,
    params(("id" = String, Path, description = "id of the recommendation")),
    responses((status = 200, description = "the recommendation after the change", body = RecommendationBody), Refused))]
pub(super) async fn accept(
    state: State<AppState>,
    caller: Extension<Caller>,
    id: Path<String>,
    body: Bytes,
) -> Result<Json<RecommendationBody>, ApiError> {
    report(state, caller, id, body, Ledger::accept).await
}

/// Marks the recommendation as dismissed: it is not proposed again until the facts change.
#[utoipa::path(post, path = "/v1/recommendations/{id}/dismiss", tag = "recommendations", request_body = Option<Report>,
    params(("id" = String, Path, description = "id of the recommendation")),
    responses((status = 200, description = "the recommendation after the change", body = RecommendationBody), Refused))]
pub(super) async fn dismiss(
    state: State<AppState>,
    caller: Extension<Caller>,
    id: Path<String>,
    body: Bytes,
) -> Result<Json<RecommendationBody>, ApiError> {
    report(state, caller, id, body, Ledger::dismiss).await
}

/// Marks the recommendation as applied; its effect is measured from now on. Repeating the call has no effect.
#[utoipa::path(post, path = "/v1/recommendations/{id}/applied", tag = "recommendations", request_body = Option<Report>,
    params(("id" = String, Path, description = "id of the recommendation")),
    responses((status = 200, description = "the recommendation after the change", body = RecommendationBody), Refused))]
pub(super) async fn applied(
    state: State<AppState>,
    caller: Extension<Caller>,
    id: Path<String>,
    body: Bytes,
) -> Result<Json<RecommendationBody>, ApiError> {
    report(state, caller, id, body, Ledger::applied).await
}

async fn report(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
    transition: Transition,
) -> Result<Json<RecommendationBody>, ApiError> {
    let Report { actor, note } = Report::read(&body)?;
    let (ledger, now) = (state.ledger.clone(), state.settled_now());
    let row = state
        .run(Lane::Light, move || {
            let given = actor.as_deref().map(str::trim).filter(|actor| !actor.is_empty());
            let Some(name) = caller.name() else {
                return transition(&ledger, &id, given.unwrap_or(DEFAULT_ACTOR), note.as_deref(), now);
            };
            // The actor is who is known by the token; whom the report names becomes part of the note.
            let note = match (given, note) {
                (Some(given), Some(note)) => Some(format!("{given}: {note}")),
                (Some(given), None) => Some(format!("for {given}")),
                (None, note) => note,
            };
            transition(&ledger, &id, name, note.as_deref(), now)
        })
        .await?;
    Ok(Json(row.into()))
}

impl Report {
    /// Parses a body; an empty one is a report without actor and note.
    fn read(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let report: Self = serde_json::from_slice(body).map_err(|error| {
            let message = format!("the body is not {{\"actor\": \"…\", \"note\": \"…\"}}: {error}");
            ApiError::bad_request("invalid_body", message)
        })?;
        for (name, text, most) in [("actor", &report.actor, MAX_ACTOR_BYTES), ("note", &report.note, MAX_NOTE_BYTES)] {
            if let Some(length) = text.as_ref().map(String::len).filter(|&length| length > most) {
                let message = format!("{name} has {length} bytes; at most {most} are allowed");
                return Err(ApiError::bad_request("invalid_body", message));
            }
        }
        Ok(report)
    }
}
