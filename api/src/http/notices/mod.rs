//! Notices for callers: streams with a cursor, and the state of webhooks.

mod body;
mod streams;
mod webhooks;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use body::data;
pub(super) use webhooks::places as webhook_places;

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(streams::stream_document))
        .routes(routes!(streams::acknowledge_stream))
        .routes(routes!(webhooks::list_webhooks))
}
