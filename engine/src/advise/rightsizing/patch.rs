//! The patch of a deployment that sets a request.

use super::{ContainerResource, ContainerSpec};
use crate::{advise::scaling::quoted, store::rows::Patch};

/// A strategic merge patch of the deployment that sets the request. Limits stay as they are: one that is not known must not be
/// lowered, and a request above its limit is refused by the cluster rather than applied.
///
/// # Reference
/// Kubernetes documentation, "Resource management for pods and containers".
pub(super) fn requests_patch(spec: &ContainerSpec, resource: ContainerResource, request: f64) -> Patch {
    let (_, quantity) = resource.quantity(request);
    let body = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {deployment}\n  namespace: {namespace}\nspec:\n  template:\n    spec:\n      \
         containers:\n        - name: {name}\n          resources:\n            requests:\n              {resource}: {quantity}\n",
        deployment = quoted(spec.deployment.as_deref().unwrap_or(&spec.name)),
        namespace = quoted(&spec.namespace),
        name = quoted(&spec.name),
    );
    Patch { format: "kubernetes/deployment+yaml".to_owned(), body }
}
