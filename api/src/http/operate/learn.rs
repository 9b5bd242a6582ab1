//! `POST /v1/admin/learn`: a round of learning on demand.

use almanac_engine::learn::Round;
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, Params, shared::Admin};

/// What a round of learning did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RoundBody {
    /// Signals fitted.
    pub(crate) fitted: usize,
    /// Signals that have too few values yet.
    pub(crate) waiting: usize,
    /// Signals that were not due.
    pub(crate) current: usize,
    /// New values scored.
    pub(crate) values: usize,
    /// Values among them that are anomalies.
    pub(crate) anomalies: usize,
    /// Signals that could not be learned or scored.
    pub(crate) failed: Vec<FailureBody>,
}

/// A signal that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailureBody {
    /// The signal.
    pub(crate) signal: String,
    /// Why.
    pub(crate) reason: String,
}

impl From<Round> for RoundBody {
    fn from(round: Round) -> Self {
        let failed = round.learned.failed.into_iter().chain(round.scored.failed);
        Self {
            fitted: round.learned.fitted,
            waiting: round.learned.waiting,
            current: round.learned.current,
            values: round.scored.values,
            anomalies: round.scored.anomalies,
            failed: failed.map(|(signal, reason)| FailureBody { signal, reason }).collect(),
        }
    }
}

/// Fits every signal that is due now, those of the store's own series included, and scores what is new. Waits for a round
/// that is under way.
#[utoipa::path(post, path = "/v1/admin/learn", tag = "operate",
    responses((status = 200, description = "what was done", body = RoundBody), (status = 400, description = "wrong parameter", body = crate::http::ErrorBody)))]
pub(super) async fn learn(
    _: Admin,
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<RoundBody>, ApiError> {
    params.only(&[])?;
    let (curriculum, now) = (state.curriculum.clone(), state.clock.now());
    let round = state
        .blocking(move || {
            let mut curriculum = curriculum.lock();
            curriculum.choose(now)?;
            curriculum.round(now, &|_| {})
        })
        .await?;
    Ok(Json(round.into()))
}
