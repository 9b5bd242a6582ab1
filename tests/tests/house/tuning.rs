//! The names in the tables of `docs/tuning` exist in the source files that their document names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::modules::source_files;

/// Header of the column with names; a table without it has them in its first column.
const NAMES: &str = "constant";

#[test]
fn names_in_tuning_tables_exist_in_the_named_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let entries = fs::read_dir(root.join("docs/tuning")).expect("docs/tuning exists");
    let documents: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    assert!(!documents.is_empty(), "docs/tuning is empty");
    let mut wrong = Vec::new();
    for document in documents.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let file = document.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(document).expect("the document can be read");
        let (source, names) = (named_sources(&root, &text), table_names(&text));
        if source.is_empty() || names.is_empty() {
            wrong.push(format!("{file}: no source file or no constant is named"));
        }
        let absent = names.into_iter().filter(|name| !name.split("::").all(|part| has_word(&source, part)));
        wrong.extend(absent.map(|name| format!("{file}: {name}")));
    }
    assert!(wrong.is_empty(), "not in the named source files:\n{}", wrong.join("\n"));
}

/// Returns the text of all source files and folders whose paths from the root are in backticks.
fn named_sources(root: &Path, document: &str) -> String {
    let mut files = Vec::new();
    for path in backticked(document).filter(|path| path.contains('/')).map(|path| root.join(path)) {
        if path.is_dir() {
            source_files(&path, &mut files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
}

/// Returns the identifiers in backticks in the column [`NAMES`] of all tables.
fn table_names(document: &str) -> Vec<&str> {
    let (mut names, mut column) = (Vec::new(), None);
    for line in document.lines() {
        let Some(row) = line.strip_prefix('|') else {
            column = None;
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        match column {
            // The first row of a table is its header.
            None => column = Some(cells.iter().position(|cell| *cell == NAMES).unwrap_or(0)),
            Some(column) => names.extend(cells.get(column).into_iter().flat_map(|cell| backticked(cell))),
        }
    }
    names.retain(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    names
}

/// Returns the parts of a text that are in backticks.
fn backticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns whether a text has the word with no letter, digit or underscore around it.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside))
}

#[test]
fn names_are_found_as_whole_words_of_their_column() {
    let first = "| what | value |\n|---|---|\n| `A_1`, `Type::B` | `C` |\n| plain | 2 |\n";
    assert_eq!(table_names(first), ["A_1", "Type::B"]);
    let second = "| file | constant | value |\n|---|---|---|\n| `a.rs` | `A` | 3 |\n\ntext `X`\n";
    assert_eq!(table_names(second), ["A"]);
    assert!(has_word("const A_1: f64", "A_1"));
    assert!(!has_word("const A_12: f64", "A_1") && !has_word("MIN_B", "B"));
}
