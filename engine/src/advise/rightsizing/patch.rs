//! The patch that sets a container's request.

use serde_json::json;

use super::{ContainerResource, ContainerSpec};
use crate::{advise::kit::kubernetes_patch, store::rows::Patch};

/// Returns a strategic merge patch of the deployment that sets the request. Limits are not changed: an unknown limit
/// must not be lowered, and the cluster rejects a request above its limit.
///
/// # Reference
/// Kubernetes documentation, "Resource management for pods and containers".
pub(super) fn requests_patch(spec: &ContainerSpec, resource: ContainerResource, request: f64) -> Patch {
    let (_, quantity) = resource.quantity(request);
    let deployment = spec.deployment.as_deref().unwrap_or(&spec.name);
    let requests = json!({resource.to_string(): quantity});
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment, "namespace": spec.namespace},
        "spec": {"template": {"spec": {"containers": [{"name": spec.name, "resources": {"requests": requests}}]}}},
    });
    kubernetes_patch("kubernetes/deployment+yaml", &[("", object)])
}
