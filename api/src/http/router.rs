use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{AppState, ingest, recommendations};

/// Title and licence of the interface's description; the paths come from the routes.
#[derive(OpenApi)]
#[openapi(info(
    title = "Almanac",
    description = "Metrics in; forecasts, anomalies and recommendations with proof out.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
))]
struct Description;

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi()).merge(ingest::routes()).merge(recommendations::routes())
}

/// The service as one router.
#[must_use]
pub fn router(state: AppState) -> Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(state)
}

/// The interface's description, generated from the routes.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}
