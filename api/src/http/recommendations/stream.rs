//! Recommendations as server-sent events.

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
use crate::http::{ApiError, AppState, ErrorBody, Params};

/// Server-sent events: every recommendation as it stands, then each one that changes. Events are called
/// `recommendation`, their id is the ledger's revision.
#[utoipa::path(get, path = "/v1/recommendations/stream", tag = "recommendations",
    params(
        ("kind" = Option<String>, Query, description = "kinds of recommendation, such as scaling; several by commas"),
        ("target" = Option<String>, Query, description = "workload, cache or alert; may repeat"),
        ("state" = Option<String>, Query, description = "states, several by commas"),
        ("since" = Option<String>, Query, description = "changed at this instant or later"),
        ("limit" = Option<usize>, Query, description = "at most so many at a time"),
    ),
    responses(
        (status = 200, description = "text/event-stream; data is a recommendation as in the list", body = RecommendationBody),
        (status = 400, description = "a parameter is wrong", body = ErrorBody),
    ))]
pub(super) async fn stream(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let mut news = state.ledger.subscribe();
    news.mark_changed();
    let filter = filter(&params, &state.config.registry)?;
    let reader = Reader { state, filter, news, told: HashMap::new(), waiting: Vec::new() };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

struct Reader {
    state: AppState,
    filter: RecommendationFilter,
    news: watch::Receiver<u64>,
    /// When each recommendation that was told had last changed.
    told: HashMap<String, Timestamp>,
    /// Events to be sent, the next one last.
    waiting: Vec<Event>,
}

impl Reader {
    /// The next event; none when the service ends or the store fails.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = self.state.stopping.cancelled() => return None,
            }
            if let Err(error) = self.read().await {
                tracing::warn!(error = error.message(), "a stream of recommendations ends");
                return None;
            }
        }
    }

    async fn read(&mut self) -> Result<(), ApiError> {
        let revision = *self.news.borrow_and_update();
        let (ledger, filter) = (self.state.ledger.clone(), self.filter.clone());
        // The newest come first and are told last.
        for row in self.state.blocking(move || ledger.list(&filter)).await? {
            if self.told.get(&row.id) == Some(&row.updated_at) {
                continue;
            }
            self.told.insert(row.id.clone(), row.updated_at);
            let event = Event::default().event("recommendation").id(revision.to_string());
            let event = event.json_data(RecommendationBody::from(row)).map_err(|error| ApiError::internal(&error))?;
            self.waiting.push(event);
        }
        Ok(())
    }
}
