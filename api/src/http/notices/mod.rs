//! Notices for callers: streams with a cursor, the state of webhooks, and the explanation of an incident.

mod body;
mod explain;
mod streams;
mod webhooks;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use body::data;
pub(super) use webhooks::{places as webhook_places, registry};

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(streams::stream_document))
        .routes(routes!(streams::acknowledge_stream))
        .routes(routes!(webhooks::list_webhooks))
        .routes(routes!(explain::explain_incident))
}
