//! Lookups in the lists of allowed functions and tables, and rules for windows and patterns.

use super::{nested::NESTED, scalar::SCALAR};

/// Aggregates that collect their values. They are not allowed over a window, where each row would get a separate
/// collection.
const COLLECTING: &[&str] = &["array_agg", "group_concat", "histogram", "list", "listagg", "map", "string_agg"];

/// Operators and functions that match a pattern, with their wildcard character.
const PATTERNS: &[(&str, char)] = &[
    ("!~~", '%'),
    ("!~~*", '%'),
    ("ilike_escape", '%'),
    ("like_escape", '%'),
    ("not_ilike_escape", '%'),
    ("not_like_escape", '%'),
    ("~~", '%'),
    ("~~*", '%'),
    ("~~~", '*'),
];

/// Returns the wildcard character of a function that matches a pattern.
pub(in crate::store::sql) fn wildcard(name: &str) -> Option<char> {
    PATTERNS.iter().find(|(function, _)| *function == name).map(|(_, wildcard)| *wildcard)
}

/// Returns whether an aggregate may be used over a window.
pub(in crate::store::sql) fn is_window_allowed(name: &str) -> bool {
    !COLLECTING.contains(&name)
}

/// Tables of `information_schema` that analysts may read.
const INFORMATION: &[&str] = &["character_sets", "columns", "schemata", "tables", "views"];

/// Returns whether analysts may call a function, by its name in lower case.
pub(in crate::store::sql) fn is_function_allowed(name: &str) -> bool {
    [SCALAR, NESTED].iter().any(|names| names.binary_search(&name).is_ok())
}

/// Returns whether analysts may read a table of `information_schema`, by its name in lower case.
pub(in crate::store::sql) fn is_information_allowed(name: &str) -> bool {
    INFORMATION.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_binary_search() {
        assert!(SCALAR.is_sorted() && NESTED.is_sorted() && INFORMATION.is_sorted());
        assert!(is_function_allowed("time_bucket") && !is_function_allowed("read_text"));
    }
}
