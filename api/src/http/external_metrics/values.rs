//! Values of the metric: the recommended replicas of each selected workload.

use almanac_engine::advise::scaling::Scaling;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{GROUP_VERSION, METRIC, selector::workloads};
use crate::http::{ApiError, AppState, ErrorBody, iso, recommendations::recommended_replicas};

/// Parameters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selection {
    /// `workload=NAME`; without it the list has every workload with a valid number.
    label_selector: Option<String>,
}

/// Returns the recommended replicas of workloads as an external metric of Kubernetes.
///
/// The namespace is not compared: a workload of the configuration has one name for all namespaces.
#[utoipa::path(get, path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", tag = "recommendations",
    params(("namespace" = String, Path, description = "any"),
        ("metric" = String, Path, description = "almanac_recommended_replicas"), Selection),
    responses((status = 200, description = "ExternalMetricValueList", body = serde_json::Value),
        (status = 400, description = "the selector is not supported", body = ErrorBody),
        (status = 404, description = "unknown metric or workload, or no recommendation for it", body = ErrorBody),
        (status = 503, description = "no number is valid now", body = ErrorBody)))]
pub(super) async fn values(
    State(state): State<AppState>,
    Path((_namespace, metric)): Path<(String, String)>,
    Query(selection): Query<Selection>,
) -> Result<Json<Value>, ApiError> {
    if metric != METRIC {
        return Err(ApiError::not_found(
            "unknown_metric",
            format!("no external metric {metric:?}; {METRIC} is served"),
        ));
    }
    let selected = workloads(selection.label_selector.as_deref().unwrap_or_default())
        .map_err(|message| ApiError::bad_request("invalid_selector", message))?;
    let is_named = selected.is_some();
    let names =
        selected.unwrap_or_else(|| state.config.advice.of::<Scaling>().map(|workload| workload.name.clone()).collect());
    let mut items = Vec::with_capacity(names.len());
    for name in names {
        match recommended_replicas(&state, &name).await {
            Ok(found) => items.push(json!({"metricName": METRIC, "metricLabels": {"workload": name},
                "timestamp": iso(state.clock.now().millis()), "value": found.replicas.to_string()})),
            // An autoscaler must not take a missing number for a small one.
            Err(error) if is_named => return Err(error),
            Err(error) if matches!(error.status(), StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Json(json!({"kind": "ExternalMetricValueList", "apiVersion": GROUP_VERSION, "metadata": {}, "items": items})))
}
