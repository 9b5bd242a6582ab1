//! Source files that no module declares.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file that no `mod` declares is not compiled, so that its tests never run.
#[test]
fn every_source_file_is_part_of_a_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut orphans = Vec::new();
    for folder in ["models", "engine", "api", "datasets", "tests"] {
        let mut files = Vec::new();
        source_files(&root.join(folder), &mut files);
        orphans.extend(files.into_iter().filter(|file| !is_declared(file)));
    }
    assert!(orphans.is_empty(), "no module declares these files: {orphans:#?}");
}

/// Collects all `.rs` files below a folder.
#[expect(clippy::expect_used, reason = "a folder that cannot be read fails the test")]
pub(super) fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Returns whether the file is the root of a target or its parent module declares it.
fn is_declared(file: &Path) -> bool {
    let text_of = |path: &Path| path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (name, folder) = (text_of(file), file.parent().unwrap_or(Path::new("")));
    if name == "main"
        || name == "lib"
        || folder.ends_with("bin")
        || folder.ends_with("benches")
        || folder.ends_with("examples")
        || folder.ends_with("fuzz_targets")
        || name == "build"
    {
        return true;
    }
    let (name, above) =
        if name == "mod" { (text_of(folder), folder.parent().unwrap_or(Path::new(""))) } else { (name, folder) };
    let parents = ["mod.rs", "main.rs", "lib.rs"].map(|parent| above.join(parent));
    // A file directly in `tests` is a target.
    if parents.iter().all(|parent| !parent.exists()) {
        return above.ends_with("tests");
    }
    let (alone, behind) = (format!("mod {name};"), format!(" mod {name};"));
    parents
        .iter()
        .filter_map(|parent| fs::read_to_string(parent).ok())
        .any(|text| text.lines().any(|line| line == alone || (line.starts_with("pub") && line.ends_with(&behind))))
}
