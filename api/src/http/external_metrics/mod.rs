//! The external metrics API of Kubernetes (`external.metrics.k8s.io/v1beta1`), for a HorizontalPodAutoscaler without KEDA.

mod discovery;
mod selector;
mod values;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

/// The metric that is served.
const METRIC: &str = "almanac_recommended_replicas";
/// Group and version of the API.
const GROUP_VERSION: &str = "external.metrics.k8s.io/v1beta1";

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(discovery::group))
        .routes(routes!(discovery::resources))
        .routes(routes!(values::values))
}
