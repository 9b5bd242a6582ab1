//! Signals, forecasts and anomaly scores as flat rows.

use almanac_engine::store::rows::{RowFilter, SignalFilter, SignalStatus};
use axum::{extract::State, response::Response};

use super::{
    encode::{Format, Keep, limit, respond_rows},
    flat::{AnomalyBody, ForecastBody, SignalBody},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Params};

/// Signals and how far their learning is.
#[utoipa::path(get, path = "/v1/signals", tag = "rows",
    params(("signal" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("status" = Option<String>, Query, description = "learning, ready or failed"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a signal, by name", body = Vec<SignalBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn signals(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "status", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let status = params
        .get("status")
        .map(str::parse::<SignalStatus>)
        .transpose()
        .map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?;
    let filter = SignalFilter { signals: params.list("signal"), status };
    let store = state.store.clone();
    let rows = state.blocking(move || store.signals(&filter)).await?;
    respond_rows(rows, limit, Keep::First, format)
}

/// Forecasts: for each instant the one made last, or with `all=true` every one that is kept; of too many the newest.
#[utoipa::path(get, path = "/v1/forecasts", tag = "rows",
    params(("signal" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("all" = Option<bool>, Query, description = "older forecasts too"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a point, ascending in time", body = Vec<ForecastBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn forecasts(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "from", "to", "all", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let latest = match params.get("all") {
        None | Some("false") => true,
        Some("true") => false,
        Some(other) => {
            return Err(ApiError::bad_request("invalid_parameter", format!("all {other:?} is neither true nor false")));
        }
    };
    let filter = RowFilter {
        signals: params.list("signal"),
        start,
        end,
        latest,
        limit: Some(limit + 1),
        ..RowFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.blocking(move || store.forecasts(&filter)).await?;
    rows.sort_by(|a, b| (a.timestamp, &a.signal, a.made_at).cmp(&(b.timestamp, &b.signal, b.made_at)));
    respond_rows(rows, limit, Keep::Last, format)
}

/// Anomalies: points with a score of at least 1, or of at least `min_score` (0: every scored point); of too many the newest.
#[utoipa::path(get, path = "/v1/anomalies", tag = "rows",
    params(("signal" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("min_score" = Option<f64>, Query, description = "least score; 1 when missing"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a point, ascending in time", body = Vec<AnomalyBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn anomalies(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "from", "to", "min_score", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let min_score = params.number("min_score")?.unwrap_or(1.0);
    let filter = RowFilter {
        signals: params.list("signal"),
        start,
        end,
        min_score: Some(min_score),
        limit: Some(limit + 1),
        ..RowFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.blocking(move || store.anomalies(&filter)).await?;
    rows.sort_by(|a, b| (a.timestamp, &a.signal).cmp(&(b.timestamp, &b.signal)));
    respond_rows(rows, limit, Keep::Last, format)
}
