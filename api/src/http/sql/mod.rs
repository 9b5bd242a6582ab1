//! `POST /v1/sql`: analysts' read-only SQL, answered as JSON, CSV, NDJSON or an Arrow stream.

mod cell;
mod encode;
mod request;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(crate) use encode::{Encoding, encode};

/// The routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(request::sql))
}
