//! `GET /v1/recommendations/{id}/pictures`: the evidence of a recommendation as lines, spans and marks to draw.

use almanac_engine::advise;
use axum::{
    Json,
    extract::{Path, State},
};

use super::picture_body::PictureList;
use crate::http::{ApiError, AppState, ErrorBody, Lane};

/// Draws the evidence of a recommendation: what its advisor replayed up to the decision, and once it was applied its
/// promised and measured effect. The replay is repeated on the stored data, which takes seconds for weeks
/// of minutes.
#[utoipa::path(get, path = "/v1/recommendations/{id}/pictures", tag = "recommendations",
    params(("id" = String, Path, description = "id of the recommendation")),
    responses(
        (status = 200, description = "the pictures, the most important first; empty when there is nothing to draw", body = PictureList),
        (status = 404, description = "no recommendation has this id", body = ErrorBody),
        (status = 503, description = "too many evaluations are waiting", body = ErrorBody),
    ))]
pub(super) async fn pictures(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<PictureList>, ApiError> {
    let (ledger, store, now) = (state.ledger.clone(), state.store.clone(), state.clock.now());
    let config = std::sync::Arc::clone(&state.config);
    let drawn = state
        .run(Lane::Heavy, move || {
            let row = ledger.get(&id)?;
            Ok::<_, ApiError>(advise::pictures(&store, &config.registry, &config.advice, &row, now)?)
        })
        .await?;
    Ok(Json(drawn.into()))
}
