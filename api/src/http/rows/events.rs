//! `GET /v1/incidents` and `/v1/deploys`: labelled incidents and deploys as flat rows.

use almanac_engine::store::rows::{EventFilter, IncidentVerdict};
use axum::{extract::State, response::Response};

use super::{
    encode::{Keep, respond_rows},
    flat::{DeployBody, IncidentBody},
    format::Format,
    page::{Extent, PageParams},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Lane, Params};

/// Lists incidents that overlap the span. Beyond the limit the newest are kept.
#[utoipa::path(get, path = "/v1/incidents", tag = "rows",
    params(PageParams, ("target" = Option<String>, Query, description = "only these; repeat it or separate values by commas"), ("verdict" = Option<String>, Query, description = "real or false; both by default"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "end of the span, in the same formats"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per incident, sorted by start", body = Vec<IncidentBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn incidents(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["target", "verdict", "from", "to", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let verdict = params.get("verdict").map(|word| word.parse::<IncidentVerdict>()).transpose();
    let verdict = verdict.map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?;
    let filter = EventFilter { names: params.list("target"), start, end, limit: Some(extent.to_read()), verdict };
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.incidents(&filter)).await?;
    respond_rows(rows, extent, Keep::Last, format)
}

/// Lists deploys in the span. Beyond the limit the newest are kept.
#[utoipa::path(get, path = "/v1/deploys", tag = "rows",
    params(PageParams, ("service" = Option<String>, Query, description = "only these; repeat it or separate values by commas"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "end of the span, in the same formats"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per deploy, sorted by time", body = Vec<DeployBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn deploys(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["service", "from", "to", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter {
        names: params.list("service"),
        start,
        end,
        limit: Some(extent.to_read()),
        ..EventFilter::default()
    };
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.deploys(&filter)).await?;
    respond_rows(rows, extent, Keep::Last, format)
}
