//! Routes for operators: health, readiness, metrics, the OpenAPI description, and maintenance on demand.

mod backup;
mod compact;
mod delete;
mod export;
mod health;
mod learn;
mod metrics;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use backup::SAMPLES;
pub(crate) use compact::CompactionBody;
pub(crate) use delete::{DeleteBody, DeletionBody, deletion};
pub(crate) use export::{Exported, PART_FROM, exported};
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
        .routes(routes!(backup::backup))
        .routes(routes!(compact::compact))
        .routes(routes!(delete::delete))
        .routes(routes!(export::export))
        .routes(routes!(learn::learn))
}
