//! The route `GET /v1/advice`.

use almanac_engine::{
    advise::rank,
    store::rows::{AdviceState, AdviceStatusFilter},
};
use axum::{Json, extract::State};

use super::{AdviceBody, AdviceList};
use crate::http::{
    ApiError, AppState, ErrorBody, Lane, Params,
    recommendations::kinds,
    rows::{Page, PageParams},
};

/// Lists the current verdict of each advisor on each target: a proposal, the reason to keep the setting, or what is
/// missing.
#[utoipa::path(get, path = "/v1/advice", tag = "recommendations",
    params(
        PageParams,
        ("kind" = Option<String>, Query, description = "kinds of recommendation, such as scaling, separated by commas"),
        ("state" = Option<String>, Query, description = "proposed, kept or lacks, separated by commas"),
    ),
    responses(
        (status = 200, description = "one entry per target: proposed, then kept, then lacks", body = AdviceList),
        (status = 400, description = "invalid parameter", body = ErrorBody),
    ))]
pub(super) async fn list_advice(State(state): State<AppState>, params: Params) -> Result<Json<AdviceList>, ApiError> {
    params.only(&["kind", "state", "page", "cursor"])?;
    let page = Page::of(&params)?;
    let kinds = kinds(&params.list("kind"), &state.config.registry)?;
    let states = params.list("state").iter().map(|word| word.parse::<AdviceState>()).collect::<Result<Vec<_>, _>>();
    let states = states.map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?;
    let filter = AdviceStatusFilter {
        kinds: kinds.iter().map(ToString::to_string).collect(),
        states,
        ..AdviceStatusFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.run(Lane::Light, move || store.advice_status(&filter)).await?;
    rows.sort_by_key(|row| rank(row.state));
    let next = page.map(|page| page.cut(&mut rows));
    Ok(Json(AdviceList { advice: rows.into_iter().map(AdviceBody::from).collect(), next }))
}
