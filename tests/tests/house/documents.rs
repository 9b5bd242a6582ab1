//! Paths and links in the documents lead to existing files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Starts of paths of this project; `api/cpu` is a target of advice.
const PREFIXES: [&str; 8] = ["models/", "engine/", "api/src", "datasets/", "notebooks/", "tests/", "docs/", "scripts/"];

/// A path in a document is in backticks.
#[test]
fn paths_in_the_documents_exist() {
    let mut missing = Vec::new();
    for (document, text) in documents() {
        for path in text.split('`').skip(1).step_by(2) {
            let ours = PREFIXES.iter().any(|prefix| path.starts_with(prefix));
            if ours && !path.contains([' ', '*', '{', '…', '<']) && !root().join(path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "these paths do not exist:\n{}", missing.join("\n"));
}

#[test]
fn links_in_the_documents_lead_to_files() {
    let mut broken = Vec::new();
    for (document, text) in documents() {
        let folder = document.parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or("");
            if !link.starts_with("http") && !file.is_empty() && !folder.join(file).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns path and text of every document. `CHANGELOG.md` is left out, since it describes the past.
#[expect(clippy::expect_used, reason = "a document that cannot be read fails the test")]
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> =
        ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"].map(|name| root().join(name)).into();
    markdown_files(&root().join("docs"), &mut paths);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a document can be read");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// Collects all `.md` files below a folder.
#[expect(clippy::expect_used, reason = "a folder that cannot be read fails the test")]
fn markdown_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            markdown_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}
