//! Lists the verdicts.

use almanac_engine::{
    advise::rank,
    store::rows::{AdviceState, AdviceStatusFilter},
};
use axum::{Json, extract::State};

use super::{AdviceBody, AdviceList};
use crate::http::{ApiError, AppState, ErrorBody, Params, recommendations::kinds};

/// The present verdict on each target of every advisor: a proposal, the reason to keep the present setting, or what is missing.
#[utoipa::path(get, path = "/v1/advice", tag = "recommendations",
    params(
        ("kind" = Option<String>, Query, description = "kinds of recommendation, such as scaling; several by commas"),
        ("state" = Option<String>, Query, description = "proposed, kept or lacks; several by commas"),
    ),
    responses(
        (status = 200, description = "one row for each target: proposed, then kept, then lacking", body = AdviceList),
        (status = 400, description = "a parameter is wrong", body = ErrorBody),
    ))]
pub(super) async fn list_advice(State(state): State<AppState>, params: Params) -> Result<Json<AdviceList>, ApiError> {
    params.only(&["kind", "state"])?;
    let kinds = kinds(&params.list("kind"), &state.config.registry)?;
    let states = params.list("state").iter().map(|word| word.parse::<AdviceState>()).collect::<Result<Vec<_>, _>>();
    let states = states.map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?;
    let filter = AdviceStatusFilter {
        kinds: kinds.iter().map(ToString::to_string).collect(),
        states,
        ..AdviceStatusFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.blocking(move || store.advice_status(&filter)).await?;
    rows.sort_by_key(|row| rank(row.state));
    Ok(Json(AdviceList { advice: rows.into_iter().map(AdviceBody::from).collect() }))
}
