//! Patches of Kubernetes objects, written by serde: what a name contains can never change the document's shape.

use crate::store::rows::Patch;

/// A patch of one or several objects; comments above an object begin with `#`.
#[must_use]
pub fn kubernetes_patch(format: &str, objects: &[(&str, serde_json::Value)]) -> Patch {
    let documents: Vec<String> = objects
        .iter()
        .map(|(comment, object)| {
            let comment: String = comment.lines().map(|line| format!("# {line}\n")).collect();
            // Values of JSON can always be written as YAML.
            format!("{comment}{}", serde_saphyr::to_string(object).unwrap_or_default())
        })
        .collect();
    Patch { format: format.to_owned(), body: documents.join("---\n") }
}
