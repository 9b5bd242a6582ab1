//! `GET /v1/incidents/explain`: what is known about a suspected incident, in sentences and as rows.

use almanac_engine::{
    notice::{DEPLOYS_BEFORE_MS, Departure, Explanation, Surroundings, explain},
    store::{
        Store, StoreError,
        rows::{EventFilter, RowFilter, SuspectedIncidentRow, TableRow},
    },
};
use almanac_models::Timestamp;
use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::{
    ApiError, AppState, ErrorBody, Lane, Params,
    rows::{instant, object},
    shared::iso,
};

/// Most rows of each table that are read.
const MAX_ROWS: usize = 10_000;

/// An explained incident. The rows are those of `/v1/suspected_incidents`, `/v1/anomalies`, `/v1/deploys`,
/// `/v1/incidents`, `/v1/correlations` and `/v1/peer_outliers`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplanationBody {
    /// Sentences for people, the most important first.
    sentences: Vec<String>,
    /// The suspected incident.
    incident: Value,
    /// Its signals in order of departure.
    departures: Vec<DepartureBody>,
    /// Releases in the two hours before it and while it lasted, the newest first.
    deploys: Vec<Value>,
    /// Labelled incidents that concern it.
    incidents: Vec<Value>,
    /// Correlations between its signals, the strongest first.
    correlations: Vec<Value>,
    /// Instances that differed from their peers at the time.
    peer_outliers: Vec<Value>,
}

/// How one signal departed from its expected values.
#[derive(Debug, Serialize, ToSchema)]
struct DepartureBody {
    /// The signal.
    signal: String,
    /// First anomalous value, RFC 3339.
    first: String,
    /// Last anomalous value.
    last: String,
    /// The value that was farthest from what was expected.
    peak: Value,
}

impl ExplanationBody {
    fn of(incident: &SuspectedIncidentRow, found: Explanation) -> Self {
        Self {
            sentences: found.sentences,
            incident: object(incident),
            departures: found.departures.into_iter().map(DepartureBody::of).collect(),
            deploys: objects(&found.deploys),
            incidents: objects(&found.labelled),
            correlations: objects(&found.correlations),
            peer_outliers: objects(&found.peers),
        }
    }
}

impl DepartureBody {
    fn of(departure: Departure) -> Self {
        Self {
            signal: departure.signal,
            first: iso(departure.first.millis()),
            last: iso(departure.last.millis()),
            peak: object(&departure.peak),
        }
    }
}

fn objects<R: TableRow>(rows: &[R]) -> Vec<Value> {
    rows.iter().map(object).collect()
}

/// Explains the suspected incident that was going on at a time, or else the last that began before it: which signals
/// departed when and how far, releases, labels, correlations.
#[utoipa::path(get, path = "/v1/incidents/explain", tag = "rows",
    params(
        ("time" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h; left out: now"),
        ("signal" = Option<String>, Query, description = "only incidents with this signal"),
    ),
    responses(
        (status = 200, description = "the explanation", body = ExplanationBody),
        (status = 400, description = "invalid parameter", body = ErrorBody),
        (status = 404, description = "no incident was suspected until then", body = ErrorBody),
    ))]
pub(super) async fn explain_incident(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<ExplanationBody>, ApiError> {
    params.only(&["time", "signal"])?;
    let at = instant(&params, "time", state.clock.now())?.unwrap_or(state.clock.now());
    let signal = params.get("signal").map(str::to_owned);
    let store = state.store.clone();
    let body = state
        .run(Lane::Light, move || {
            let incident = incident_at(&store, at, signal.as_deref())?.ok_or_else(|| {
                let of = signal.map(|signal| format!(" with the signal {signal:?}")).unwrap_or_default();
                ApiError::not_found(
                    "unknown_incident",
                    format!("no incident{of} was suspected until {}", iso(at.millis())),
                )
            })?;
            let found = explain(&incident, surroundings(&store, &incident)?);
            Ok::<_, ApiError>(ExplanationBody::of(&incident, found))
        })
        .await?;
    Ok(Json(body))
}

/// Returns the incident that was going on at a time, or else the last one before; of several the one that began last.
fn incident_at(store: &Store, at: Timestamp, signal: Option<&str>) -> Result<Option<SuspectedIncidentRow>, StoreError> {
    let mut rows = store.suspected_incidents(&EventFilter { end: Some(at), ..EventFilter::default() })?;
    rows.retain(|row| signal.is_none_or(|signal| row.signals.iter().any(|one| one == signal)));
    Ok(rows.into_iter().max_by_key(|row| (row.ended_at >= at, row.started_at)))
}

fn surroundings(store: &Store, incident: &SuspectedIncidentRow) -> Result<Surroundings, StoreError> {
    let (start, end) = (incident.started_at, incident.ended_at);
    let anomalies = RowFilter {
        signals: incident.signals.clone(),
        start: Some(start),
        end: Some(end),
        min_score: Some(1.0),
        limit: Some(MAX_ROWS),
        ..RowFilter::default()
    };
    let within = |start: Timestamp| EventFilter {
        start: Some(start),
        end: Some(end),
        limit: Some(MAX_ROWS),
        ..EventFilter::default()
    };
    Ok(Surroundings {
        anomalies: store.anomalies(&anomalies)?,
        deploys: store.deploys(&within(start.plus_millis(-DEPLOYS_BEFORE_MS)))?,
        labelled: store.incidents(&within(start))?,
        // They are of the last week, whenever the incident was.
        correlations: store.correlations(&EventFilter::default())?,
        peers: store.peer_outliers(&within(start))?,
    })
}
