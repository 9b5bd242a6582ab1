//! Every source file opens with a line that states its purpose.

use std::{fs, path::Path};

use super::modules::source_files;

#[test]
fn every_source_file_opens_with_its_purpose() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["models", "engine", "api", "datasets", "tests", "docs"] {
        source_files(&root.join(folder), &mut files);
    }
    let without: Vec<_> =
        files.iter().filter(|file| !fs::read_to_string(file).is_ok_and(|text| text.starts_with("//! "))).collect();
    assert!(without.is_empty(), "{} of {} files do not open with `//!`: {without:#?}", without.len(), files.len());
}
