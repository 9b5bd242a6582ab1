//! A set of indexes: those of the catalogue, without some, with hypothetical ones.

use std::collections::BTreeSet;

use super::costs::PAGE;
use crate::database::{Catalogue, Index, Table};

/// An index that does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothetical {
    /// Table as `schema.name`.
    pub table: String,
    /// The index; its name is unique among those considered together.
    pub index: Index,
}

/// The indexes that a plan may use.
#[derive(Debug, Clone, Copy)]
pub struct Design<'a> {
    /// Tables, statistics and present indexes.
    pub catalogue: &'a Catalogue,
    /// Indexes that are added.
    pub added: &'a [&'a Hypothetical],
    /// Names (`schema.index`) of present indexes that are left out.
    pub dropped: &'a BTreeSet<String>,
}

impl<'a> Design<'a> {
    /// Returns the table of a key `schema.name`.
    pub(super) fn table(&self, key: &str) -> Option<&'a Table> {
        self.catalogue.tables.iter().find(|table| {
            key.strip_prefix(table.schema.as_str()).and_then(|rest| rest.strip_prefix('.')) == Some(table.name.as_str())
        })
    }

    /// Returns the usable indexes of a table.
    pub(super) fn indexes(&self, table: &'a Table) -> impl Iterator<Item = &'a Index> {
        let present = table.indexes.iter().filter(|index| {
            index.valid
                && (self.dropped.is_empty() || !self.dropped.contains(&format!("{}.{}", table.schema, index.name)))
        });
        let added = self.added.iter().filter(|added| added.table == table.key()).map(|added| &added.index);
        present.chain(added)
    }
}

/// Returns the expected size of an index in bytes: entries of the table's `rows` that the predicate keeps (`share`), at
/// a fill factor of 90 % (PostgreSQL's manual, 73.6 and `contrib/pageinspect` for the headers).
#[must_use]
pub fn hypothetical_bytes(table: &Table, index: &Index, share: f64) -> f64 {
    let rows = table.rows.unwrap_or(0.0).max(0.0) * share.clamp(0.0, 1.0);
    let width = |column: &str| {
        let bytes = table.column(column).and_then(|column| table.value_bytes(column));
        bytes.unwrap_or(16.0).clamp(1.0, 2048.0)
    };
    let keys: f64 = index.keys.iter().map(|key| key.column.as_deref().map_or(16.0, width)).sum();
    let included: f64 = index.include.iter().map(|column| width(column)).sum();
    match index.method.as_str() {
        // One summary of 128 pages each.
        "brin" => PAGE * 3.0 + table.pages.unwrap_or(0.0) / 128.0 * 40.0,
        // Trigrams: about one posting for each character, compressed to a few bytes. Elements and lexemes: one for several.
        "gin" => {
            let is_trigrams =
                index.keys.iter().any(|key| key.operator_class.as_deref().is_some_and(|class| class.contains("trgm")));
            rows * keys * if is_trigrams { 1.2 } else { 0.5 } + PAGE * 4.0
        }
        _ => {
            let tuple = ((keys + included) / 8.0).ceil() * 8.0 + 8.0 + 4.0;
            // Equal keys are stored once with lists of tuples (deduplication).
            let distinct = index.keys.first().and_then(|key| table.column(key.column.as_deref()?)?.statistics.as_ref());
            let repeats = distinct.map_or(1.0, |statistics| rows / statistics.distinct_values(rows).max(1.0));
            let is_plain = index.keys.len() == 1 && index.include.is_empty() && repeats > 3.0;
            let bytes = if is_plain { rows * 7.0 + rows / repeats * tuple } else { rows * tuple };
            bytes / 0.9 + PAGE * 2.0
        }
    }
}
