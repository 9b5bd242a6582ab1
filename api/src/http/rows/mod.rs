//! Under way.
use utoipa_axum::router::OpenApiRouter;

use super::AppState;

/// The routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
}
