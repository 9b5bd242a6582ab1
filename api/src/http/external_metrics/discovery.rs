//! Discovery: the group, its version and its one metric.

use axum::Json;
use serde_json::{Value, json};

use super::{GROUP_VERSION, METRIC};

/// Describes the API group.
#[utoipa::path(get, path = "/apis/external.metrics.k8s.io", tag = "recommendations",
    responses((status = 200, description = "APIGroup", body = serde_json::Value)))]
pub(super) async fn group() -> Json<Value> {
    let version = json!({"groupVersion": GROUP_VERSION, "version": "v1beta1"});
    Json(json!({"kind": "APIGroup", "apiVersion": "v1", "name": "external.metrics.k8s.io",
        "versions": [version], "preferredVersion": version}))
}

/// Lists the external metrics.
#[utoipa::path(get, path = "/apis/external.metrics.k8s.io/v1beta1", tag = "recommendations",
    responses((status = 200, description = "APIResourceList", body = serde_json::Value)))]
pub(super) async fn resources() -> Json<Value> {
    Json(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION,
        "resources": [{"name": METRIC, "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList",
            "verbs": ["get"]}]}))
}
