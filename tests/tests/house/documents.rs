use std::{fs, path::Path};

/// Paths in the documents stand in backticks and contain a slash; each must exist.
#[test]
fn paths_that_the_documents_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    for document in ["ARCHITECTURE.md", "README.md"] {
        let text = fs::read_to_string(root.join(document)).expect("the document exists");
        for path in text.split('`').skip(1).step_by(2) {
            let first = path.split('/').next().unwrap_or("");
            let ours =
                ["models", "engine", "api", "datasets", "notebooks", "tests", "docs", "scripts"].contains(&first);
            if path.contains('/') && ours && !path.contains([' ', '*', '{', '…']) && !root.join(path).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "named but not there:\n{}", missing.join("\n"));
}
