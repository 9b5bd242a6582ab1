//! Routes for operators: health, readiness, metrics, the OpenAPI description, and maintenance on demand.

mod compact;
mod delete;
mod health;
mod learn;
mod metrics;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use compact::CompactionBody;
pub(crate) use delete::{DeleteBody, DeletionBody, deletion};
pub(super) use health::readyz;
pub(crate) use learn::CycleBody;
pub use metrics::Metrics;
pub(crate) use metrics::count_requests;

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::openapi))
        .routes(routes!(metrics::metrics))
        .routes(routes!(compact::compact))
        .routes(routes!(delete::delete))
        .routes(routes!(learn::learn))
}
