use super::{ContainerResource, ContainerSpec};
use crate::store::rows::Patch;

/// A strategic merge patch of the deployment that sets the request, and for memory the limit with it: what is requested is
/// what a node keeps free, and beyond that a container is killed at another's convenience.
///
/// # Reference
/// Kubernetes documentation, "Resource management for pods and containers".
pub(super) fn requests_patch(spec: &ContainerSpec, resource: ContainerResource, request: f64) -> Patch {
    let (_, quantity) = resource.quantity(request);
    let limits = match resource {
        ContainerResource::Cpu => String::new(),
        ContainerResource::Memory => format!("            limits:\n              memory: {quantity}\n"),
    };
    let body = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {deployment}\n  namespace: {namespace}\nspec:\n  template:\n    spec:\n      \
         containers:\n        - name: {name}\n          resources:\n            requests:\n              {resource}: {quantity}\n{limits}",
        deployment = spec.deployment.as_deref().unwrap_or(&spec.name),
        namespace = spec.namespace,
        name = spec.name,
    );
    Patch { format: "kubernetes/deployment+yaml".to_owned(), body }
}
