//! Checks that `docs/tables.md` is generated from the table descriptions.

use std::fmt::Write;

use almanac_engine::store::rows::{ColumnType, TABLES};

/// Environment variable; if set, the test writes the document instead of comparing it.
const WRITE: &str = "ALMANAC_WRITE_DOCUMENT";

/// Returns one section per table.
fn sections() -> String {
    let mut text = String::new();
    for table in TABLES {
        let _ = write!(
            text,
            "## `{}`\n\n{}.\n\n| column | type | unit | |\n|---|---|---|---|\n",
            table.name, table.comment
        );
        for column in table.columns {
            let sql = if column.column_type == ColumnType::Json { "VARCHAR (JSON)" } else { column.column_type.sql() };
            let _ = writeln!(text, "| `{}` | {sql} | {} | {} |", column.name, column.unit, column.comment);
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn the_document_agrees_with_the_descriptions() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tables.md");
    let document = std::fs::read_to_string(path).unwrap();
    let begin = document.find("## `").unwrap();
    let (head, found) = document.split_at(begin);
    let expected = sections();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, format!("{head}{expected}")).unwrap();
        return;
    }
    assert!(found == expected, "docs/tables.md differs from the table descriptions: run this test with {WRITE}=1");
}
