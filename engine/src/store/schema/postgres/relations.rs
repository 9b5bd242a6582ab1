//! The relations of PostgreSQL 15's catalogue and information schema that clients ask for, read from the tables beside this
//! file. Those that Almanac does not fill have no rows.

use std::sync::LazyLock;

/// A relation: its name, its object identifier, and its columns with their DuckDB types.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) name: &'static str,
    /// Object identifier in PostgreSQL 15; 0 in the information schema.
    pub(super) oid: u32,
    /// Columns as in a `CREATE TABLE`.
    pub(super) columns: &'static str,
}

/// First object identifier of the catalogue's views; its tables have smaller ones.
const FIRST_VIEW: u32 = 12_000;

impl Relation {
    /// Returns the number of columns.
    pub(super) fn width(&self) -> usize {
        self.columns.split(", ").count()
    }

    /// Returns the columns that a table of the catalogue has besides its own, with their values: clients ask for the
    /// transaction of a row, and never for the row of a transaction.
    pub(super) fn system_columns(&self) -> String {
        if (1..FIRST_VIEW).contains(&self.oid) {
            format!(", xmin BIGINT DEFAULT 1, tableoid UINTEGER DEFAULT {}", self.oid)
        } else {
            String::new()
        }
    }
}

/// Reads a table of relations; lines with `#` are comments.
fn read(text: &'static str, has_oids: bool) -> Vec<Relation> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.filter_map(|line| line.split_once(' '));
    parts
        .filter_map(|(name, rest)| {
            let (oid, columns) = if has_oids { rest.split_once(' ')? } else { ("0", rest) };
            Some(Relation { name, oid: oid.parse().ok()?, columns })
        })
        .collect()
}

static CATALOGUE: LazyLock<Vec<Relation>> = LazyLock::new(|| read(include_str!("relations.txt"), true));
static INFORMATION: LazyLock<Vec<Relation>> = LazyLock::new(|| read(include_str!("information.txt"), false));

/// Returns the relations of `pg_catalog`, sorted by name.
pub(super) fn catalogue() -> &'static [Relation] {
    &CATALOGUE
}

/// Returns the relations of `information_schema`, sorted by name.
pub(super) fn information() -> &'static [Relation] {
    &INFORMATION
}

/// Returns whether a relation is one of the catalogue, by its name in lower case.
pub(in crate::store) fn is_catalogue_relation(name: &str) -> bool {
    CATALOGUE.binary_search_by(|relation| relation.name.cmp(name)).is_ok()
}

/// Returns whether a relation is one of `information_schema`, by its name in lower case.
pub(in crate::store) fn is_information_relation(name: &str) -> bool {
    INFORMATION.binary_search_by(|relation| relation.name.cmp(name)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_relation_and_names_are_sorted() {
        for (relations, text) in
            [(catalogue(), include_str!("relations.txt")), (information(), include_str!("information.txt"))]
        {
            assert_eq!(relations.len() + 1, text.lines().count());
            assert!(relations.is_sorted_by_key(|relation| relation.name));
            assert!(relations.iter().all(|relation| relation.columns.contains(' ')));
        }
        assert!(catalogue().iter().all(|relation| relation.oid > 0));
        let class = catalogue().iter().find(|relation| relation.name == "pg_class").unwrap();
        assert_eq!((class.oid, class.width()), (1259, 33));
    }
}
