//! `GET /v1/scrape_targets`: scrape targets as flat rows.

use almanac_engine::store::rows::TargetHealth;
use axum::{extract::State, response::Response};

use super::{
    encode::{Keep, respond_rows},
    flat::ScrapeTargetBody,
    format::Format,
    page::{Extent, PageParams},
};
use crate::http::{ApiError, AppState, ErrorBody, Params};

/// Lists scrape targets with the result of their last scrape.
#[utoipa::path(get, path = "/v1/scrape_targets", tag = "rows",
    params(PageParams, ("job" = Option<String>, Query, description = "only these; repeat it or separate values by commas"), ("health" = Option<String>, Query, description = "up, down or unknown"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per target, sorted by job and URL", body = Vec<ScrapeTargetBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn scrape_targets(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["job", "health", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let jobs = params.list("job");
    let health = params
        .get("health")
        .map(str::parse::<TargetHealth>)
        .transpose()
        .map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?;
    let mut rows = state.store.scrape_targets();
    rows.retain(|row| (jobs.is_empty() || jobs.contains(&row.job)) && health.is_none_or(|health| health == row.health));
    respond_rows(rows, extent, Keep::First, format)
}
