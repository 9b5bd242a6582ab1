//! `GET /v1/signals`, `/v1/forecasts` and `/v1/anomalies`: results of learning as flat rows.

use almanac_engine::store::rows::{RowFilter, SignalFilter, SignalStatus};
use axum::{extract::State, response::Response};

use super::{
    encode::{Keep, respond_rows},
    flat::{AnomalyBody, ForecastBody, SignalBody},
    format::Format,
    page::{Extent, PageParams},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Lane, Params};

/// Lists signals with the state of their learning.
#[utoipa::path(get, path = "/v1/signals", tag = "rows",
    params(PageParams, ("signal" = Option<String>, Query, description = "only these; repeat it or separate values by commas"), ("status" = Option<String>, Query, description = "learning, ready or failed"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per signal, sorted by name", body = Vec<SignalBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn signals(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "status", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let status = params
        .get("status")
        .map(str::parse::<SignalStatus>)
        .transpose()
        .map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?;
    let filter = SignalFilter { signals: params.list("signal"), status };
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.signals(&filter)).await?;
    respond_rows(rows, extent, Keep::First, format)
}

/// Lists forecasts: the latest for each instant, or with `all=true` also older ones that are kept. Beyond the limit the
/// newest are kept.
#[utoipa::path(get, path = "/v1/forecasts", tag = "rows",
    params(PageParams, ("signal" = Option<String>, Query, description = "only these; repeat it or separate values by commas"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "end of the span, in the same formats"), ("all" = Option<bool>, Query, description = "true: older forecasts too"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per point, sorted by time", body = Vec<ForecastBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn forecasts(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "from", "to", "all", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let latest = match params.get("all") {
        None | Some("false") => true,
        Some("true") => false,
        Some(other) => {
            return Err(ApiError::bad_request("invalid_parameter", format!("all {other:?} is neither true nor false")));
        }
    };
    // One row more than the limit shows whether rows were cut off.
    let filter = RowFilter {
        signals: params.list("signal"),
        start,
        end,
        latest,
        limit: Some(extent.to_read()),
        ..RowFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.run(Lane::Light, move || store.forecasts(&filter)).await?;
    rows.sort_by(|a, b| (a.timestamp, &a.signal, a.made_at).cmp(&(b.timestamp, &b.signal, b.made_at)));
    respond_rows(rows, extent, Keep::Last, format)
}

/// Lists points with a score of at least 1, or of at least `min_score` (0: every scored point). Beyond the limit the
/// newest are kept.
#[utoipa::path(get, path = "/v1/anomalies", tag = "rows",
    params(PageParams, ("signal" = Option<String>, Query, description = "only these; repeat it or separate values by commas"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "end of the span, in the same formats"), ("min_score" = Option<f64>, Query, description = "minimum score [1]"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per point, sorted by time", body = Vec<AnomalyBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn anomalies(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "from", "to", "min_score", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let min_score = params.number("min_score")?.unwrap_or(1.0);
    let filter = RowFilter {
        signals: params.list("signal"),
        start,
        end,
        min_score: Some(min_score),
        limit: Some(extent.to_read()),
        ..RowFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.run(Lane::Light, move || store.anomalies(&filter)).await?;
    rows.sort_by(|a, b| (a.timestamp, &a.signal).cmp(&(b.timestamp, &b.signal)));
    respond_rows(rows, extent, Keep::Last, format)
}
