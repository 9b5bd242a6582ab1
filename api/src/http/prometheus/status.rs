//! `/api/v1/status/buildinfo` and `/api/v1/rules`.

use axum::Json;
use serde_json::{Value, json};

/// Returns the version of Prometheus whose semantics are implemented, with Almanac's version as build metadata.
///
/// By semantic versioning, build metadata does not affect the order of versions.
#[utoipa::path(get, path = "/api/v1/status/buildinfo", tag = "prometheus", responses((status = 200, description = "versions")))]
pub(super) async fn buildinfo() -> Json<Value> {
    Json(json!({"status": "success", "data": {
        "version": concat!("3.0.0+almanac.", env!("CARGO_PKG_VERSION")),
        "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "", "application": "almanac",
    }}))
}

/// Returns an empty list: Almanac does not evaluate recording and alerting rules.
#[utoipa::path(get, path = "/api/v1/rules", tag = "prometheus", responses((status = 200, description = "always empty")))]
pub(super) async fn rules() -> Json<Value> {
    Json(json!({"status": "success", "data": {"groups": []}}))
}
