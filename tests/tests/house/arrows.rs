//! Dependencies between the crates: `models ← engine ← api`, and libraries that a layer must not use.

#![expect(clippy::expect_used, reason = "helpers of tests; a failure here fails the test")]

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".into()])
        .exec()
        .expect("cargo metadata reads the workspace")
}

/// Returns the ordinary dependencies of `package`.
fn dependencies(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let package = metadata.packages.iter().find(|p| p.name.as_str() == package).expect("the workspace has this crate");
    package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal).map(|d| d.name.clone()).collect()
}

/// Returns the dependencies of `package` on crates of the workspace.
fn ours(metadata: &Metadata, package: &str) -> Vec<String> {
    dependencies(metadata, package).into_iter().filter(|name| name.starts_with("almanac-")).collect()
}

#[test]
fn arrows_point_from_models_to_engine_to_api() {
    let metadata = metadata();
    assert_eq!(ours(&metadata, "almanac-models"), Vec::<String>::new());
    assert_eq!(ours(&metadata, "almanac-engine"), ["almanac-models"]);
    assert!(!ours(&metadata, "almanac-datasets").contains(&"almanac-api".to_owned()));
}

#[test]
fn no_layer_uses_a_forbidden_library() {
    let metadata = metadata();
    for (package, never) in [
        ("almanac-models", &["duckdb", "axum", "tokio", "reqwest", "polars", "arrow", "serde_json"][..]),
        ("almanac-engine", &["axum", "tower-http", "reqwest", "clap", "toml", "indicatif"][..]),
    ] {
        let has = dependencies(&metadata, package);
        for name in never {
            assert!(!has.contains(*name), "{package} must not use {name}");
        }
    }
}
