use almanac_engine::store::rows::{EventFilter, PeerOutlierRow, SuspectedIncidentRow};
use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    encode::{FlatRow, Format, Keep, finite, limit, respond},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Params, shared::iso};

/// Anomalies that belong together.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuspectedIncidentBody {
    /// The first departure, RFC 3339.
    time: String,
    /// The last anomaly so far.
    time_end: String,
    /// The signal that most likely departed first.
    first_mover: String,
    /// How likely it is that one, 0 to 1.
    confidence: Option<f64>,
    /// Every signal concerned, by time of departure, separated by commas.
    signals: String,
    /// The largest anomaly score.
    peak: Option<f64>,
}

impl FlatRow for SuspectedIncidentBody {
    const COLUMNS: &'static [&'static str] = &["time", "time_end", "first_mover", "confidence", "signals", "peak"];
}

impl From<SuspectedIncidentRow> for SuspectedIncidentBody {
    fn from(row: SuspectedIncidentRow) -> Self {
        Self {
            time: iso(row.started_at.millis()),
            time_end: iso(row.ended_at.millis()),
            first_mover: row.first_mover,
            confidence: finite(row.confidence),
            signals: row.signals.join(","),
            peak: finite(row.peak),
        }
    }
}

/// A time in which an instance was not like its peers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PeerOutlierBody {
    /// Since when, RFC 3339.
    time: String,
    /// Until when; the last instant looked at while it lasts.
    time_end: String,
    /// The one that differs.
    series: String,
    /// The expression that gives the peers.
    expr: String,
    /// The largest distance from the peers that agree; above 1 is outside.
    peak: Option<f64>,
    /// Peers that were compared, itself included.
    peers: u64,
}

impl FlatRow for PeerOutlierBody {
    const COLUMNS: &'static [&'static str] = &["time", "time_end", "series", "expr", "peak", "peers"];
}

impl From<PeerOutlierRow> for PeerOutlierBody {
    fn from(row: PeerOutlierRow) -> Self {
        Self {
            time: iso(row.started_at.millis()),
            time_end: iso(row.ended_at.millis()),
            series: row.series,
            expr: row.expr,
            peak: finite(row.peak),
            peers: row.peers,
        }
    }
}

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
    respond(rows.into_iter().map(SuspectedIncidentBody::from).collect(), limit, Keep::Last, format)
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
    respond(rows.into_iter().map(PeerOutlierBody::from).collect(), limit, Keep::Last, format)
}

#[cfg(test)]
mod tests {
    use almanac_models::Timestamp;

    use super::{super::encode::assert_columns, *};

    #[test]
    fn columns_are_those_of_the_rows() {
        let at = Timestamp::from_millis(0);
        assert_columns(&SuspectedIncidentBody::from(SuspectedIncidentRow {
            started_at: at,
            ended_at: at,
            first_mover: "a".into(),
            confidence: 1.0,
            signals: vec!["a".into()],
            peak: 2.0,
        }));
        assert_columns(&PeerOutlierBody::from(PeerOutlierRow {
            expr: "a".into(),
            series: "a{instance=\"b\"}".into(),
            started_at: at,
            ended_at: at,
            peak: 2.0,
            peers: 4,
        }));
    }
}
