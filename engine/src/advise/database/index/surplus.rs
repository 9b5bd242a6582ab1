//! Finds indexes that nothing needs.

use super::{
    describe::drop_statement,
    types::{Limits, Surplus, SurplusReason},
};
use crate::database::{Catalogue, Index, Table, TableKind, Workload};

/// Bytes below which an index costs nothing worth a recommendation.
const SMALLEST: f64 = 64.0 * 1024.0;

/// Returns the indexes of a catalogue to drop, the largest first. An index behind a constraint is never among them.
#[must_use]
pub fn surplus(catalogue: &Catalogue, workload: &Workload, limits: &Limits) -> Vec<Surplus> {
    let mut found: Vec<Surplus> = Vec::new();
    for table in catalogue.tables.iter().filter(|table| table.kind != TableKind::Foreign) {
        for (at, index) in table.indexes.iter().enumerate() {
            if is_needed(index) || index.parent.is_some() {
                continue;
            }
            let Some(reason) = reason(table, at, index, workload, limits) else { continue };
            if !matches!(reason, SurplusReason::Invalid) && index.bytes.is_some_and(|bytes| bytes < SMALLEST) {
                continue;
            }
            let writes = workload.writes.get(&table.key()).copied().unwrap_or_default();
            let entries = writes.inserted + (writes.updated - writes.updated_hot).max(0.0);
            let one = if index.method == "gin" { 0.06 } else { 0.005 };
            found.push(Surplus {
                table: table.key(),
                index: index.clone(),
                statement: drop_statement(table, index),
                bytes: index.bytes,
                regained_ms: entries * one,
                reason,
            });
        }
    }
    found.sort_by(|a, b| {
        b.bytes.unwrap_or(0.0).total_cmp(&a.bytes.unwrap_or(0.0)).then_with(|| a.statement.cmp(&b.statement))
    });
    found
}

/// Returns whether a constraint, a key or replication rests on the index.
pub(super) fn is_needed(index: &Index) -> bool {
    index.primary || index.unique || index.constraint.is_some() || index.replica_identity
}

fn reason(table: &Table, at: usize, index: &Index, workload: &Workload, limits: &Limits) -> Option<SurplusReason> {
    if !index.valid {
        return Some(SurplusReason::Invalid);
    }
    for (other_at, other) in table.indexes.iter().enumerate() {
        if other_at == at || !other.valid {
            continue;
        }
        if is_same(index, other) {
            // Of two equal ones the later is dropped, unless a constraint keeps the other.
            if is_needed(other) || other_at < at {
                return Some(SurplusReason::Duplicate { of: other.name.clone() });
            }
        } else if is_prefix(index, other) {
            return Some(SurplusReason::Prefix { of: other.name.clone() });
        }
    }
    let seconds = table.activity.as_ref().and_then(|activity| activity.seconds)?;
    let scans = index.scans?;
    let in_span = workload.index_scans.get(&format!("{}.{}", table.schema, index.name)).copied().unwrap_or(0.0);
    let serves_foreign_key = table.foreign_keys.iter().any(|key| {
        index
            .keys
            .first()
            .and_then(|first| first.column.as_ref())
            .is_some_and(|first| key.columns.first() == Some(first))
    });
    // Deletions of the rows that a foreign key refers to may be rare and still need it.
    let is_unused = scans <= 0.0 && in_span <= 0.0 && seconds >= limits.unused_after_seconds && !serves_foreign_key;
    is_unused.then_some(SurplusReason::Unused { seconds })
}

fn is_same(a: &Index, b: &Index) -> bool {
    a.method == b.method && a.keys == b.keys && a.include == b.include && a.predicate == b.predicate
}

/// Returns whether the keys of `narrow` are the first keys of `wide`, so that `wide` serves whatever `narrow` serves.
pub(super) fn is_prefix(narrow: &Index, wide: &Index) -> bool {
    let has = |column: &String| {
        wide.include.contains(column) || wide.keys.iter().any(|key| key.column.as_ref() == Some(column))
    };
    narrow.method == "btree"
        && wide.method == "btree"
        && narrow.keys.len() < wide.keys.len() + usize::from(narrow.include.len() < wide.include.len())
        && wide.keys.starts_with(&narrow.keys)
        && narrow.predicate == wide.predicate
        && narrow.include.iter().all(has)
        && !(narrow.keys.len() == wide.keys.len() && narrow.include.len() == wide.include.len())
}
