//! Health and readiness of the service, and its description.

use almanac_engine::store::rows::EventFilter;
use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, AppState};

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

/// How ready the service is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Readiness {
    /// `ready`
    status: &'static str,
    /// Series in the store.
    series: u64,
    /// Samples that are stored, in whichever layer.
    samples: u64,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operate", responses((status = 200, description = "it lives", body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the service can take and answer requests: the store answers and is not about to close.
#[utoipa::path(get, path = "/readyz", tag = "operate",
    responses((status = 200, description = "it is ready", body = Readiness), (status = 503, description = "it is not, or no longer", body = crate::http::ErrorBody)))]
pub(in crate::http) async fn readyz(State(state): State<AppState>) -> Result<Json<Readiness>, ApiError> {
    let unready = |code: &'static str, message: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
    if state.stopping.is_cancelled() {
        return Err(unready("stopping", "the service is about to end".to_owned()));
    }
    let store = state.store.clone();
    // A read of a table that is never large; analysts' places are not taken for it.
    let filter = EventFilter { limit: Some(1), ..EventFilter::default() };
    let answer = tokio::task::spawn_blocking(move || store.deploys(&filter)).await;
    match answer {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(unready("store_failed", format!("the store does not answer: {error}"))),
        Err(error) => return Err(ApiError::internal(&error)),
    }
    let stats = state.store.stats();
    let samples = stats.samples_hot + stats.samples_cold + stats.samples_late;
    Ok(Json(Readiness { status: "ready", series: stats.series, samples }))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operate", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(crate::http::openapi())
}
