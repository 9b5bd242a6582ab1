//! Licences of the dependencies.

use cargo_metadata::MetadataCommand;

/// Licences that a dependency of a program under MIT OR Apache-2.0 may have.
const ACCEPTED: [&str; 15] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
    "BSL-1.0",
    "MPL-2.0",
    "CDLA-Permissive-2.0",
    "bzip2-1.0.6",
];

/// Returns whether accepted licences satisfy an SPDX expression: every `AND` part needs one accepted `OR` choice.
fn acceptable(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" AND ").all(|part| part.split(" OR ").any(|licence| ACCEPTED.contains(&licence.trim())))
}

#[test]
fn every_dependency_has_an_accepted_licence() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(vec!["--offline".into(), "--filter-platform".into(), "x86_64-unknown-linux-gnu".into()])
        .exec()
        .expect("cargo metadata resolves the dependencies that were built");
    let bad: Vec<String> = metadata
        .packages
        .iter()
        .filter(|p| p.source.is_some())
        .filter(|p| !p.license.as_deref().is_some_and(acceptable))
        .map(|p| format!("{} {}: {}", p.name, p.version, p.license.as_deref().unwrap_or("no licence")))
        .collect();
    assert!(bad.is_empty(), "not accepted:\n{}", bad.join("\n"));
}

#[test]
fn copyleft_licences_are_not_accepted() {
    assert!(acceptable("MIT OR GPL-3.0"));
    assert!(acceptable("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!acceptable("LGPL-3.0"));
    assert!(!acceptable("MIT AND GPL-3.0"));
}
