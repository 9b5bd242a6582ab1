//! Routes of senders: remote write, import, events.

mod events;
mod import;
mod metrics;
mod negotiate;
mod write;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use import::ImportBody;
pub(crate) use metrics::registry;

/// The routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(write::write)).routes(routes!(import::import)).routes(routes!(events::events))
}
