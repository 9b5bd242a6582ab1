//! Labelled incidents and deploys as flat rows.

use almanac_engine::store::rows::EventFilter;
use axum::{extract::State, response::Response};

use super::{
    encode::{Format, Keep, limit, respond_rows},
    flat::{DeployBody, IncidentBody},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Params};

/// Incidents that touch the span; of too many the newest.
#[utoipa::path(get, path = "/v1/incidents", tag = "rows",
    params(("target" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object an incident, by its start", body = Vec<IncidentBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn incidents(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["target", "from", "to", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter { names: params.list("target"), start, end, limit: Some(limit + 1) };
    let store = state.store.clone();
    let rows = state.blocking(move || store.incidents(&filter)).await?;
    respond_rows(rows, limit, Keep::Last, format)
}

/// Deploys in the span; of too many the newest.
#[utoipa::path(get, path = "/v1/deploys", tag = "rows",
    params(("service" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a deploy, by time", body = Vec<DeployBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn deploys(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["service", "from", "to", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter { names: params.list("service"), start, end, limit: Some(limit + 1) };
    let store = state.store.clone();
    let rows = state.blocking(move || store.deploys(&filter)).await?;
    respond_rows(rows, limit, Keep::Last, format)
}
