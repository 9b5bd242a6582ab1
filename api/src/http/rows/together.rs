//! Suspected incidents and instances unlike their peers as flat rows.

use almanac_engine::store::rows::EventFilter;
use axum::{extract::State, response::Response};

use super::{
    encode::{Format, Keep, limit, respond_rows},
    flat::{PeerOutlierBody, SuspectedIncidentBody},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Params};

/// Incidents that the service suspects, made of anomalies that belong together; of too many the newest.
#[utoipa::path(get, path = "/v1/suspected_incidents", tag = "rows",
    params(("first_mover" = Option<String>, Query, description = "only where this signal moved first; may repeat or hold commas"), ("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object an incident, by its start", body = Vec<SuspectedIncidentBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn suspected_incidents(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["first_mover", "from", "to", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter { names: params.list("first_mover"), start, end, limit: Some(limit + 1) };
    let store = state.store.clone();
    let rows = state.blocking(move || store.suspected_incidents(&filter)).await?;
    respond_rows(rows, limit, Keep::Last, format)
}

/// Times in which an instance was not like its peers; of too many the newest.
#[utoipa::path(get, path = "/v1/peer_outliers", tag = "rows",
    params(("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a time, by its start", body = Vec<PeerOutlierBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn peer_outliers(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["from", "to", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let filter = EventFilter { names: Vec::new(), start, end, limit: Some(limit + 1) };
    let store = state.store.clone();
    let rows = state.blocking(move || store.peer_outliers(&filter)).await?;
    respond_rows(rows, limit, Keep::Last, format)
}
