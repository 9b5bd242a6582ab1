//! Tests that `docs/configuration.md` lists exactly the keys that the configuration accepts.

use std::path::Path;

use almanac_engine::advise::Registry;

use super::Config;

/// Headings of the page, each with a text that has an unknown key in that section; the test adds the advisors'
/// sections.
const SECTIONS: [(&str, &str); 18] = [
    ("[[database]]", "[[database]]\nzzz = 1"),
    ("[server]", "[server]\nzzz = 1"),
    ("[store]", "[store]\nzzz = 1"),
    ("[store] retention", "[store]\nretention = { zzz = 1 }"),
    ("[ingest]", "[ingest]\nzzz = 1"),
    ("[otlp]", "[otlp]\nzzz = 1"),
    ("[grpc]", "[grpc]\nzzz = 1"),
    ("[sql]", "[sql]\nzzz = 1"),
    ("[postgres]", "[postgres]\nzzz = 1"),
    ("[learn]", "[learn]\nzzz = 1"),
    ("[advise]", "[advise]\nzzz = 1"),
    ("[promql]", "[promql]\nzzz = 1"),
    ("[[scrape]]", "[[scrape]]\nzzz = 1"),
    ("[[signal]]", "[[signal]]\nzzz = 1"),
    ("[[target]]", "[[target]]\nzzz = 1"),
    ("[[webhook]]", "[[webhook]]\nzzz = 1"),
    ("[[stream]]", "[[stream]]\nzzz = 1"),
    ("[[workload]] resources", "[[workload]]\nresources = [{ zzz = 1 }]"),
];

/// Returns the known keys that the error about the unknown key in `text` lists.
fn known(text: &str) -> Vec<String> {
    let message = Config::parse(text, Path::new("almanac.toml")).unwrap_err().to_string();
    let (_, list) = message.split_once("known here: ").unwrap_or_else(|| panic!("{message}"));
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_known() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
    let registry = Registry::default();
    let sections = registry.advisors().filter_map(|advisor| advisor.section());
    let advisors = sections.map(|section| (format!("[[{section}]]"), format!("[[{section}]]\nzzz = 1")));
    let others = SECTIONS.map(|(section, text)| (section.to_owned(), text.to_owned()));
    for (section, text) in advisors.chain(others) {
        let head = format!("### `{section}`\n");
        let (_, below) = page.split_once(&head).unwrap_or_else(|| panic!("{head:?} is not in the page"));
        let table = below.split("\n### ").next().unwrap();
        let mut documented: Vec<&str> =
            table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let mut known = known(&text);
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known, "{section}");
    }
}

/// The table of limits in `docs/operators.md` names every key that bounds something, and no key that is not there.
#[test]
fn the_table_of_limits_names_the_keys_of_limits() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operators.md"));
    let (_, below) = page.split_once("\n## Limits\n").unwrap();
    let table = below.split("\n## ").next().unwrap();
    let mut named: Vec<(&str, &str)> =
        table.split('`').skip(1).step_by(2).filter_map(|key| key.split_once('.')).collect();
    named.retain(|(section, _)| ["server", "store", "ingest", "sql", "postgres"].contains(section));
    assert!(named.len() > 10, "{named:?}");
    for section in ["server", "store", "ingest", "sql", "postgres"] {
        let known = known(&format!("[{section}]\nzzz = 1"));
        for (_, key) in named.iter().filter(|(of, _)| *of == section) {
            assert!(known.iter().any(|known| known == key), "{section}.{key} is no key");
        }
        for key in
            known.iter().filter(|key| key.starts_with("max_") || ["queue", "recent", "memory"].contains(&key.as_str()))
        {
            assert!(named.contains(&(section, key.as_str())), "{section}.{key} is not in the table of limits");
        }
    }
}
