//! `POST /v1/sql`: read-only SQL for analysts, with results as JSON, CSV, NDJSON or an Arrow stream.

mod cell;
mod encode;
mod request;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use cell::{text as cell_text, write_json as cell_json};
pub(crate) use encode::{Encoding, encode};

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(request::sql))
}
