//! What programs ask about the service as such.

use axum::Json;
use serde_json::{Value, json};

/// Version, in Prometheus' shape: that of the Prometheus whose semantics are followed, our own as build metadata, which
/// leaves the order of versions alone.
#[utoipa::path(get, path = "/api/v1/status/buildinfo", tag = "prometheus", responses((status = 200, description = "version")))]
pub(super) async fn buildinfo() -> Json<Value> {
    Json(json!({"status": "success", "data": {
        "version": concat!("3.0.0+almanac.", env!("CARGO_PKG_VERSION")),
        "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "", "application": "almanac",
    }}))
}

/// Recording and alerting rules: none are evaluated here.
#[utoipa::path(get, path = "/api/v1/rules", tag = "prometheus", responses((status = 200, description = "always empty")))]
pub(super) async fn rules() -> Json<Value> {
    Json(json!({"status": "success", "data": {"groups": []}}))
}
