//! `GET /v1/streams/{name}` and `POST /v1/streams/{name}/ack`: one document for a consumer, and how far it has it.

use std::collections::HashSet;

use almanac_engine::{
    advise::threshold::ExpectedBreach,
    rules::{Judged, ObjectiveState},
    store::{
        Store,
        rows::{NoticeRow, NoticeType, RecommendationFilter, State as Status, StreamCursorRow},
    },
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    access::Caller,
    config::Stream,
    http::{
        ApiError, AppState, ErrorBody, Lane, Params,
        recommendations::RecommendationBody,
        rows::{BreachBody, TargetBody},
    },
};

/// Notices that are read at a time.
const PAGE: usize = 500;

/// What a consumer has to know.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamBody {
    /// Name of the stream.
    stream: String,
    /// Cursor of this document; acknowledge it when the document has been handled.
    cursor: String,
    /// Recommendations that are new or have another state since the cursor, in the order of their last change; without a
    /// cursor the open ones.
    recommendations: Vec<RecommendationBody>,
    /// Breaches that are expected now, whenever they were found.
    breaches: Vec<BreachBody>,
    /// Incidents that were suspected since the cursor.
    #[schema(value_type = Vec<Object>)]
    incidents: Vec<Value>,
    /// Objectives that are missed or at risk, as of the last round of advice.
    #[schema(value_type = Vec<Object>)]
    targets: Vec<TargetBody>,
}

/// The cursor of a document that was handled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledgement {
    /// `cursor` of the document.
    cursor: String,
}

/// Returns what has changed since a cursor, by default the acknowledged one. Reading moves nothing.
#[utoipa::path(get, path = "/v1/streams/{name}", tag = "notices",
    params(("name" = String, Path, description = "infrastructure, security, architecture or a configured stream"),
        ("after" = Option<String>, Query, description = "cursor of a document; left out: the acknowledged one; 0: everything that is open")),
    responses((status = 200, description = "the document", body = StreamBody), (status = 400, description = "not a cursor", body = ErrorBody), (status = 404, description = "no stream has this name", body = ErrorBody)))]
pub(super) async fn stream_document(
    State(state): State<AppState>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<StreamBody>, ApiError> {
    params.only(&["after"])?;
    let stream = find(&state, &name)?;
    let given = params.get("after").map(cursor).transpose()?;
    let breaches = state.metrics.expected_breaches().unwrap_or_default();
    let shared = state.clone();
    let targets = state.metrics.judged_targets();
    let body = state.run(Lane::Light, move || read(&shared, &stream, given, breaches, targets)).await?;
    Ok(Json(body))
}

/// Acknowledges a document: later reads without `after` begin behind it. An older cursor moves the stream back.
#[utoipa::path(post, path = "/v1/streams/{name}/ack", tag = "notices", request_body = Acknowledgement,
    params(("name" = String, Path, description = "name of the stream")),
    responses((status = 204, description = "acknowledged"), (status = 400, description = "not a cursor", body = ErrorBody), (status = 404, description = "no stream has this name", body = ErrorBody)))]
pub(super) async fn acknowledge_stream(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: axum::body::Bytes,
) -> Result<StatusCode, ApiError> {
    let stream = find(&state, &name)?;
    let Acknowledgement { cursor: given } = serde_json::from_slice(&body).map_err(|error| {
        ApiError::bad_request("invalid_body", format!("the body is not {{\"cursor\": \"…\"}}: {error}"))
    })?;
    let cursor = cursor(&given)?;
    let actor = caller.name().unwrap_or_default().to_owned();
    let (store, now) = (state.store.clone(), state.settled_now());
    state
        .run(Lane::Light, move || {
            check_cursor(&store, cursor)?;
            store.put_stream_cursor(StreamCursorRow { stream: stream.name, cursor, acknowledged_at: now, actor })?;
            Ok::<_, ApiError>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the configured stream of a name, or the ready-made one.
fn find(state: &AppState, name: &str) -> Result<Stream, ApiError> {
    let configured = state.config.streams.iter().cloned();
    let all: Vec<Stream> = configured.chain(Stream::ready_made()).collect();
    all.iter().find(|stream| stream.name == name).cloned().ok_or_else(|| {
        let mut names: Vec<&str> = all.iter().map(|stream| stream.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        ApiError::not_found("unknown_stream", format!("no stream is named {name:?}; known: {}", names.join(", ")))
    })
}

fn cursor(text: &str) -> Result<i64, ApiError> {
    text.parse().ok().filter(|&number| number >= 0).ok_or_else(|| {
        ApiError::bad_request("invalid_cursor", format!("{text:?} is not the cursor of a stream, or 0 for everything"))
    })
}

/// Refuses the cursor of a document that this store has not given.
fn check_cursor(store: &Store, cursor: i64) -> Result<(), ApiError> {
    let newest = store.newest_notice()?;
    if cursor > newest {
        let message = format!("cursor {cursor} is ahead of the stream, which is at {newest}");
        return Err(ApiError::bad_request("invalid_cursor", message));
    }
    Ok(())
}

fn read(
    state: &AppState,
    stream: &Stream,
    given: Option<i64>,
    breaches: Vec<ExpectedBreach>,
    targets: Vec<Judged>,
) -> Result<StreamBody, ApiError> {
    let store = &state.store;
    let acknowledged = store.stream_cursors()?.into_iter().find(|row| row.stream == stream.name);
    let after = given.or(acknowledged.map(|row| row.cursor)).unwrap_or(0);
    given.map_or(Ok(()), |cursor| check_cursor(store, cursor))?;
    let (oldest, newest) = store.notice_span()?.unwrap_or((0, 0));
    // The open recommendations come from the ledger; of what follows a cursor the notices say which have changed.
    let types: &[NoticeType] =
        if after == 0 { &[NoticeType::Incident] } else { &[NoticeType::Incident, NoticeType::Recommendation] };
    let (mut changed, mut incidents): (HashSet<String>, Vec<Value>) = (HashSet::new(), Vec::new());
    let mut last = after;
    loop {
        let page = store.notices(last, types, Some(PAGE))?;
        let Some(read) = page.last().map(|notice| notice.seq) else { break };
        last = read;
        // A later notice is part of the next document.
        for NoticeRow { notice_type, subject, key, data, .. } in page.into_iter().filter(|one| one.seq <= newest) {
            match notice_type {
                NoticeType::Recommendation => {
                    changed.insert(key.split_once('.').map_or(key.clone(), |(_, id)| id.to_owned()));
                }
                NoticeType::Incident if stream.incidents && concerns(stream, &subject, &data) => incidents.push(data),
                NoticeType::Incident | NoticeType::Breach | NoticeType::Anomaly => {}
            }
        }
    }
    let wanted = match after {
        0 => Wanted::Open,
        // The notices behind the cursor are not all kept any more.
        _ if oldest > after + 1 => Wanted::All,
        _ => Wanted::These(changed),
    };
    let breaches = breaches.into_iter().filter(|breach| stream.breaches && stream.has_target(&breach.alert));
    let is_warning = |state| matches!(state, ObjectiveState::Missed | ObjectiveState::AtRisk);
    let targets = targets
        .into_iter()
        .filter(|judged| stream.breaches && is_warning(judged.state) && stream.has_target(&judged.name));
    Ok(StreamBody {
        stream: stream.name.clone(),
        cursor: newest.to_string(),
        recommendations: recommendations(state, stream, wanted)?,
        breaches: breaches.map(BreachBody::from).collect(),
        incidents,
        targets: targets.map(TargetBody::from).collect(),
    })
}

/// Whether the stream is about one of the signals of an incident.
fn concerns(stream: &Stream, first: &str, data: &Value) -> bool {
    let signals = data.get("signals").and_then(Value::as_str).unwrap_or_default();
    stream.has_target(first) || signals.split(',').any(|signal| stream.has_target(signal))
}

/// The recommendations of a document.
enum Wanted {
    /// Those that are open.
    Open,
    /// Those with these ids.
    These(HashSet<String>),
    /// Those of every state.
    All,
}

/// Returns the recommendations that the stream is about, in the order of their last change.
fn recommendations(state: &AppState, stream: &Stream, wanted: Wanted) -> Result<Vec<RecommendationBody>, ApiError> {
    let filter = match wanted {
        Wanted::These(ids) if ids.is_empty() => return Ok(Vec::new()),
        Wanted::These(ids) => {
            RecommendationFilter { ids: ids.into_iter().collect(), ..RecommendationFilter::default() }
        }
        Wanted::Open => RecommendationFilter {
            states: vec![Status::Proposed, Status::Accepted, Status::Applied],
            ..RecommendationFilter::default()
        },
        Wanted::All => RecommendationFilter::default(),
    };
    let mut rows = state.ledger.list(&filter)?;
    rows.retain(|row| {
        let is_wanted = stream.has_kind(row.kind.as_str()) && stream.has_target(&row.target);
        is_wanted && row.confidence >= stream.min_confidence
    });
    rows.sort_by(|one, other| (one.updated_at, &one.id).cmp(&(other.updated_at, &other.id)));
    Ok(rows.into_iter().map(RecommendationBody::from).collect())
}
