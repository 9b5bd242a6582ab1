//! `GET /v1/advice`: the present verdict of each advisor on each of its targets, also where nothing is recommended.

mod body;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub use body::{AdviceBody, AdviceList};

/// The routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list::list_advice))
}
