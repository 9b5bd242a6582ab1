//! Names of new indexes.

use crate::database::{Catalogue, Index, IndexKey};

/// Longest name of PostgreSQL, in bytes.
const LONGEST: usize = 63;

/// Returns a name that no index of the table's schema has.
pub(super) fn name_in(catalogue: &Catalogue, table: &str, index: &Index) -> String {
    let schema = table.split('.').next().unwrap_or_default();
    let is_taken = |name: &str| {
        let of_schema = catalogue.tables.iter().filter(|table| table.schema == schema);
        of_schema.flat_map(|table| &table.indexes).any(|index| index.name == name)
    };
    let first = name(table, index);
    let numbered = (1..).map(|nth: u32| {
        let number = nth.to_string();
        let mut text = first.clone();
        while text.len() + number.len() > LONGEST {
            text.pop();
        }
        text + &number
    });
    std::iter::once(first.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
}

/// Returns a name as PostgreSQL would choose it: table, columns, `idx`; shortened to what PostgreSQL keeps.
fn name(table: &str, index: &Index) -> String {
    let bare = table.rsplit('.').next().unwrap_or(table);
    let word = |key: &IndexKey| {
        let text = key.column.clone().or_else(|| key.expression.clone()).unwrap_or_default();
        let word: String =
            text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        word.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
    };
    let mut words: Vec<String> = vec![bare.to_owned()];
    words.extend(index.keys.iter().map(word));
    if !index.include.is_empty() {
        words.push("incl".to_owned());
    }
    if index.predicate.is_some() {
        words.push("part".to_owned());
    }
    match index.method.as_str() {
        "btree" => {}
        "gin" if index.keys.iter().any(|key| key.operator_class.as_deref() == Some("gin_trgm_ops")) => {
            words.push("trgm".to_owned());
        }
        other => words.push(other.to_owned()),
    }
    let mut name = words.join("_");
    while name.len() + 4 > LONGEST {
        name.pop();
    }
    name + "_idx"
}
