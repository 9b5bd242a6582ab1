//! `GET /healthz`, `/readyz` and `/openapi.json`: health, readiness, and the OpenAPI description.

use std::sync::LazyLock;

use almanac_engine::store::rows::EventFilter;
use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, Lane};

/// Health of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`
    status: &'static str,
    /// Version of the program.
    version: &'static str,
}

/// Readiness of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Readiness {
    /// `ready`
    status: &'static str,
    /// Series in the store.
    series: u64,
    /// Samples in the store.
    samples: u64,
}

/// Responds with 200 while the process runs.
#[utoipa::path(get, path = "/healthz", tag = "operate", responses((status = 200, description = "the process runs", body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Responds with 200 while the store can be read and written and the service is not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "operate",
    responses((status = 200, description = "the service is ready", body = Readiness), (status = 503, description = "the service is not ready, or is shutting down", body = crate::http::ErrorBody)))]
pub(in crate::http) async fn readyz(State(state): State<AppState>) -> Result<Json<Readiness>, ApiError> {
    let unready = |code: &'static str, message: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
    if state.stopping.is_cancelled() {
        return Err(unready("stopping", "the service is shutting down".to_owned()));
    }
    let store = state.store.clone();
    let looked = state.blocking(move || Ok::<_, ApiError>(store.unready())).await?;
    if let Some(reason) = looked {
        return Err(unready("store_unready", reason));
    }
    let store = state.store.clone();
    // Reads at most one row of a small table, without a permit for SQL statements.
    let filter = EventFilter { limit: Some(1), ..EventFilter::default() };
    let stats = state
        .run(Lane::Vital, move || match store.deploys(&filter) {
            Ok(_) => Ok(store.stats()),
            Err(error) => Err(unready("store_failed", format!("the store cannot be read: {error}"))),
        })
        .await?;
    let samples = stats.samples_hot + stats.samples_cold + stats.samples_late;
    Ok(Json(Readiness { status: "ready", series: stats.series, samples }))
}

/// Returns the OpenAPI description.
#[utoipa::path(get, path = "/openapi.json", tag = "operate", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> Json<&'static utoipa::openapi::OpenApi> {
    static DESCRIPTION: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(crate::http::openapi);
    Json(&DESCRIPTION)
}
