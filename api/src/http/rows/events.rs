use almanac_engine::store::rows::{Deploy, EventFilter, Incident};
use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    encode::{FlatRow, Format, Keep, limit, respond},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Params, shared::iso};

/// A labelled incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentBody {
    /// Its first moment, RFC 3339.
    time: String,
    /// Its last moment; null while it lasts.
    time_end: Option<String>,
    /// What happened.
    title: String,
    /// What it concerns.
    target: Option<String>,
    /// Who says so.
    source: String,
}

impl FlatRow for IncidentBody {
    const COLUMNS: &'static [&'static str] = &["time", "time_end", "title", "target", "source"];
}

impl From<Incident> for IncidentBody {
    fn from(incident: Incident) -> Self {
        Self {
            time: iso(incident.started_at.millis()),
            time_end: incident.ended_at.map(|at| iso(at.millis())),
            title: incident.title,
            target: incident.target,
            source: incident.source,
        }
    }
}

/// A new version that went out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeployBody {
    /// When, RFC 3339.
    time: String,
    /// The service.
    service: String,
    /// The version.
    version: Option<String>,
}

impl FlatRow for DeployBody {
    const COLUMNS: &'static [&'static str] = &["time", "service", "version"];
}

impl From<Deploy> for DeployBody {
    fn from(deploy: Deploy) -> Self {
        Self { time: iso(deploy.at.millis()), service: deploy.service, version: deploy.version }
    }
}

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
    respond(rows.into_iter().map(IncidentBody::from).collect(), limit, Keep::Last, format)
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
    respond(rows.into_iter().map(DeployBody::from).collect(), limit, Keep::Last, format)
}

#[cfg(test)]
mod tests {
    use almanac_models::Timestamp;

    use super::{super::encode::assert_columns, *};

    #[test]
    fn columns_are_those_of_the_rows() {
        let at = Timestamp::from_millis(0);
        assert_columns(&DeployBody::from(Deploy { at, service: "a".into(), version: None }));
        assert_columns(&IncidentBody::from(Incident {
            started_at: at,
            ended_at: None,
            title: "a".into(),
            target: None,
            source: "b".into(),
        }));
    }
}
