//! Prometheus' health paths: `/-/healthy` and `/-/ready`.

use axum::extract::State;

use crate::http::{ApiError, AppState, operate::readyz};

/// Responds with 200 while the process runs.
#[utoipa::path(get, path = "/-/healthy", tag = "prometheus", responses((status = 200, description = "the process runs", body = String)))]
pub(super) async fn healthy() -> &'static str {
    "Almanac is Healthy.\n"
}

/// Responds with 200 while the store can be read and written and the service is not shutting down.
#[utoipa::path(get, path = "/-/ready", tag = "prometheus",
    responses((status = 200, description = "the service is ready", body = String), (status = 503, description = "the service is not ready, or is shutting down")))]
pub(super) async fn ready(State(state): State<AppState>) -> Result<&'static str, ApiError> {
    let _ready = readyz(State(state)).await?;
    Ok("Almanac is Ready.\n")
}
