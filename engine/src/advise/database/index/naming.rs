//! Names of new indexes.

use crate::database::{Index, IndexKey};

/// Longest name of PostgreSQL, in bytes.
const LONGEST: usize = 63;

/// Returns a name as PostgreSQL would choose it: table, columns, `idx`; shortened to what PostgreSQL keeps.
pub(super) fn name(table: &str, index: &Index) -> String {
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
        "gin" => words.push("trgm".to_owned()),
        other => words.push(other.to_owned()),
    }
    let mut name = words.join("_");
    while name.len() + 4 > LONGEST {
        name.pop();
    }
    name + "_idx"
}
