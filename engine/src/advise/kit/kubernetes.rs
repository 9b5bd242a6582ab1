//! Patches of Kubernetes objects. Serde writes them, so that a name cannot change the structure of the document.

use crate::store::rows::Patch;

/// Builds a patch of one or several objects. A comment above an object begins with `#`.
#[must_use]
pub fn kubernetes_patch(format: &str, objects: &[(&str, serde_json::Value)]) -> Patch {
    let documents: Vec<String> = objects
        .iter()
        .map(|(comment, object)| {
            let comment: String = comment.lines().map(|line| format!("# {line}\n")).collect();
            // Every JSON value can be written as YAML.
            format!("{comment}{}", serde_saphyr::to_string(object).unwrap_or_default())
        })
        .collect();
    Patch { format: format.to_owned(), body: documents.join("---\n") }
}
