//! `GET /v1/suspected_incidents`, `/v1/peer_outliers` and `/v1/correlations`: relations between signals as flat rows.

use almanac_engine::store::rows::EventFilter;
use axum::{extract::State, response::Response};

use super::{
    encode::{Keep, respond_rows},
    flat::{CorrelationBody, PeerOutlierBody, SuspectedIncidentBody},
    format::Format,
    page::{Extent, PageParams},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Lane, Params};

/// Lists suspected incidents, which are groups of related anomalies. Beyond the limit the newest are kept.
#[utoipa::path(get, path = "/v1/suspected_incidents", tag = "rows",
    params(PageParams, ("first_mover" = Option<String>, Query, description = "only incidents that began in this signal; repeat it or separate values by commas"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "end of the span, in the same formats"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per incident, sorted by start", body = Vec<SuspectedIncidentBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn suspected_incidents(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["first_mover", "from", "to", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter {
        names: params.list("first_mover"),
        start,
        end,
        limit: Some(extent.to_read()),
        ..EventFilter::default()
    };
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.suspected_incidents(&filter)).await?;
    respond_rows(rows, extent, Keep::Last, format)
}

/// Lists spans in which an instance differed from its peers. Beyond the limit the newest are kept.
#[utoipa::path(get, path = "/v1/peer_outliers", tag = "rows",
    params(PageParams, ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "end of the span, in the same formats"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per span, sorted by start", body = Vec<PeerOutlierBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn peer_outliers(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["from", "to", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter { names: Vec::new(), start, end, limit: Some(extent.to_read()), ..EventFilter::default() };
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.peer_outliers(&filter)).await?;
    respond_rows(rows, extent, Keep::Last, format)
}

/// Lists correlated pairs of signals and caches, the strongest first.
#[utoipa::path(get, path = "/v1/correlations", tag = "rows",
    params(PageParams, ("leader" = Option<String>, Query, description = "only pairs in which this one leads; repeat it or separate values by commas"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "end of the span, in the same formats"), ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per pair, sorted by the strength of the correlation", body = Vec<CorrelationBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn correlations(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["leader", "from", "to", "limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter {
        names: params.list("leader"),
        start,
        end,
        limit: Some(extent.to_read()),
        ..EventFilter::default()
    };
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.correlations(&filter)).await?;
    respond_rows(rows, extent, Keep::First, format)
}
