//! `GET /v1/recommendations/stream`: recommendations as server-sent events.

use std::{collections::HashMap, convert::Infallible};

use almanac_engine::store::rows::RecommendationFilter;
use almanac_models::Timestamp;
use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use tokio::sync::watch;

use super::{RecommendationBody, filter::filter};
use crate::http::{ApiError, AppState, ErrorBody, Lane, Params};

/// Streams server-sent events: all recommendations, then each one that changes.
///
/// The event type is `recommendation`, the event id is the revision of the ledger.
#[utoipa::path(get, path = "/v1/recommendations/stream", tag = "recommendations",
    params(
        ("kind" = Option<String>, Query, description = "kinds of recommendation, such as scaling, separated by commas"),
        ("target" = Option<String>, Query, description = "workload, resource of a container, cache or alert; may be repeated"),
        ("state" = Option<String>, Query, description = "states, separated by commas"),
        ("since" = Option<String>, Query, description = "only those changed at this time or later"),
        ("limit" = Option<usize>, Query, description = "maximum number of recommendations at a time"),
    ),
    responses(
        (status = 200, description = "text/event-stream, each event with a recommendation as in the list", body = RecommendationBody),
        (status = 400, description = "invalid parameter", body = ErrorBody),
    ))]
pub(super) async fn stream(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let mut revisions = state.ledger.subscribe();
    // The first read sends all recommendations.
    revisions.mark_changed();
    let filter = filter(&params, &state.config.registry)?;
    let reader = EventReader { state, filter, revisions, sent: HashMap::new(), waiting: Vec::new() };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// State of one stream.
struct EventReader {
    state: AppState,
    filter: RecommendationFilter,
    revisions: watch::Receiver<u64>,
    /// `updated_at` of each recommendation at the time when it was last sent, by id.
    sent: HashMap<String, Timestamp>,
    /// Events to send, the next one last.
    waiting: Vec<Event>,
}

impl EventReader {
    /// Returns the next event; `None` when the service shuts down or the store fails.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
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

    /// Reads the recommendations and queues those that changed since they were sent.
    async fn read(&mut self) -> Result<(), ApiError> {
        let revision = *self.revisions.borrow_and_update();
        let (ledger, filter) = (self.state.ledger.clone(), self.filter.clone());
        // The list starts with the newest; `waiting` is popped from its end, so the oldest is sent first.
        for row in self.state.run(Lane::Light, move || ledger.list(&filter)).await? {
            if self.sent.get(&row.id) == Some(&row.updated_at) {
                continue;
            }
            self.sent.insert(row.id.clone(), row.updated_at);
            let event = Event::default().event("recommendation").id(revision.to_string());
            let event = event.json_data(RecommendationBody::from(row)).map_err(|error| ApiError::internal(&error))?;
            self.waiting.push(event);
        }
        Ok(())
    }
}
