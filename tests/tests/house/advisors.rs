//! Each registered advisor has its page, and the table of advisors is that of the registry.

use std::{fs, path::Path};

use almanac_engine::advise::Registry;

#[test]
fn every_advisor_has_a_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/advisors");
    let missing: Vec<String> = Registry::default()
        .kinds()
        .iter()
        .map(|kind| format!("{kind}.md"))
        .filter(|page| !fs::read_to_string(pages.join(page)).is_ok_and(|text| text.len() > 500))
        .collect();
    assert!(missing.is_empty(), "docs/advisors lacks {missing:?}");
}

#[test]
fn the_table_of_advisors_is_that_of_the_registry() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/advisors/README.md");
    let text = fs::read_to_string(page).expect("the page exists");
    let table = Registry::default().table();
    assert!(text.contains(&table), "docs/advisors/README.md must contain this table:\n{table}");
}
