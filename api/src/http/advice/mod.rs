//! `GET /v1/advice`: the current verdict of each advisor on each of its targets, including those without a
//! recommendation.

mod body;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub use body::{AdviceBody, AdviceList};

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list::list_advice))
}
