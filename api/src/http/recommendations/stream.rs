//! `GET /v1/recommendations/stream`: recommendations as server-sent events.

use std::{collections::VecDeque, convert::Infallible};

use almanac_engine::store::rows::{RecommendationFilter, RecommendationRow};
use almanac_models::Timestamp;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use tokio::sync::watch;

use super::{
    RecommendationBody,
    filter::{STREAM, filter},
};
use crate::http::{ApiError, AppState, ErrorBody, Lane, Params};

const LAST_EVENT_ID: &str = "last-event-id";

/// Streams server-sent events: all recommendations in the order of their last change, then each one that changes.
///
/// The event type is `recommendation`. The event id is `MILLISECONDS.RECOMMENDATION`: the time of the change and the id of
/// what changed. A stream that begins with `Last-Event-ID`, or with the parameter `after`, sends what changed later; an id
/// that is not one of ours begins from the start.
#[utoipa::path(get, path = "/v1/recommendations/stream", tag = "recommendations",
    params(
        ("kind" = Option<String>, Query, description = "kinds of recommendation, such as scaling, separated by commas"),
        ("target" = Option<String>, Query, description = "workload, resource of a container, cache or alert; may be repeated"),
        ("state" = Option<String>, Query, description = "states, separated by commas"),
        ("since" = Option<String>, Query, description = "only those changed at this time or later"),
        ("limit" = Option<usize>, Query, description = "maximum number of recommendations at a time"),
        ("after" = Option<String>, Query, description = "id of an event: only what changed later"),
        ("Last-Event-ID" = Option<String>, Header, description = "as after, which it overrides; browsers send it when they connect again"),
    ),
    responses(
        (status = 200, description = "text/event-stream, each event with a recommendation as in the list", body = RecommendationBody),
        (status = 400, description = "invalid parameter", body = ErrorBody),
    ))]
pub(super) async fn stream(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let mut revisions = state.ledger.subscribe();
    // The first read sends what changed before the stream began.
    revisions.mark_changed();
    let filter = filter(&params, &STREAM, &state.config.registry)?;
    let given = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).or_else(|| params.get("after"));
    let after = given.and_then(Position::parse).unwrap_or_default();
    let reader = EventReader { state, filter, revisions, after, waiting: VecDeque::new() };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Place of a change in the order of all changes: its time, then the id of what changed. Changes of one time were made
/// together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Position {
    at_ms: i64,
    id: String,
}

impl Position {
    fn of(row: &RecommendationRow) -> Self {
        Self { at_ms: row.updated_at.millis(), id: row.id.clone() }
    }

    fn parse(text: &str) -> Option<Self> {
        let (at_ms, id) = text.split_once('.')?;
        Some(Self { at_ms: at_ms.parse().ok()?, id: id.to_owned() })
    }

    fn event_id(&self) -> String {
        format!("{}.{}", self.at_ms, self.id)
    }
}

/// State of one stream.
struct EventReader {
    state: AppState,
    filter: RecommendationFilter,
    revisions: watch::Receiver<u64>,
    /// What was sent last.
    after: Position,
    /// Events to send, the next one first.
    waiting: VecDeque<Event>,
}

impl EventReader {
    /// Returns the next event; `None` when the service shuts down or the store fails.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            tokio::select! {
                changed = self.revisions.changed() => changed.ok()?,
                () = self.state.stopping.cancelled() => return None,
            }
            if let Err(error) = self.read().await {
                tracing::warn!(error = error.message(), "stream of recommendations ended");
                return None;
            }
        }
    }

    /// Reads the recommendations and queues those that changed after the last one that was sent.
    async fn read(&mut self) -> Result<(), ApiError> {
        self.revisions.borrow_and_update();
        let since = Timestamp::from_millis(self.after.at_ms);
        let mut filter = self.filter.clone();
        filter.updated_since = Some(filter.updated_since.map_or(since, |given| given.max(since)));
        let ledger = self.state.ledger.clone();
        let rows = self.state.run(Lane::Light, move || ledger.list(&filter)).await?;
        let mut changed: Vec<(Position, RecommendationRow)> =
            rows.into_iter().map(|row| (Position::of(&row), row)).filter(|(at, _)| *at > self.after).collect();
        changed.sort_by(|one, other| one.0.cmp(&other.0));
        for (position, row) in changed {
            let event = Event::default().event("recommendation").id(position.event_id());
            let event = event.json_data(RecommendationBody::from(row)).map_err(|error| ApiError::internal(&error))?;
            self.waiting.push_back(event);
            self.after = position;
        }
        Ok(())
    }
}
