//! Prometheus' own paths for supervisors: `/-/healthy` and `/-/ready`.

use axum::extract::State;

use crate::http::{ApiError, AppState, operate::readyz};

/// Whether the service answers at all.
#[utoipa::path(get, path = "/-/healthy", tag = "prometheus", responses((status = 200, description = "it does", body = String)))]
pub(super) async fn healthy() -> &'static str {
    "Almanac is Healthy.\n"
}

/// Whether the store takes reads and writes.
#[utoipa::path(get, path = "/-/ready", tag = "prometheus",
    responses((status = 200, description = "it does", body = String), (status = 503, description = "it does not")))]
pub(super) async fn ready(State(state): State<AppState>) -> Result<&'static str, ApiError> {
    let _ready = readyz(State(state)).await?;
    Ok("Almanac is Ready.\n")
}
