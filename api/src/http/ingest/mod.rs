//! Routes that receive data: remote write, OTLP, import, events.

mod events;
mod import;
mod metrics;
mod negotiate;
mod otlp;
mod write;

use tower_http::decompression::RequestDecompressionLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use import::{ImportBody, remove_spooled};
pub(crate) use metrics::registry;
pub(super) use otlp::{error_encoding as otlp_error_encoding, error_response as otlp_error};

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    // Only events: the importer decompresses files itself, and remote write always uses snappy.
    let events = OpenApiRouter::new().routes(routes!(events::events)).layer(RequestDecompressionLayer::new());
    OpenApiRouter::new()
        .routes(routes!(write::write))
        .routes(routes!(import::import))
        .routes(routes!(otlp::otlp_metrics))
        .routes(routes!(otlp::otlp_traces))
        .routes(routes!(otlp::otlp_logs))
        .merge(events)
}
