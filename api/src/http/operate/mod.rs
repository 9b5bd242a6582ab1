//! What operators ask: is it alive, is it ready, how does it do, what can it do; and upkeep on demand.

mod compact;
mod health;
mod learn;
mod metrics;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use compact::CompactionBody;
pub(crate) use learn::CycleBody;
pub use metrics::Metrics;
pub(super) use metrics::count_requests;

/// The routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::openapi))
        .routes(routes!(metrics::metrics))
        .routes(routes!(compact::compact))
        .routes(routes!(learn::learn))
}
