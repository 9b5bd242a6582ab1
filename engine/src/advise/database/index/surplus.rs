//! Finds indexes that nothing needs.

use std::collections::BTreeMap;

use super::{
    describe::drop_statement,
    types::{Limits, Surplus, SurplusReason},
};
use crate::database::{
    Catalogue, Index, Table, TableKind, Workload,
    estimate::{hypothetical_bytes, partial_share, same_predicate},
};

/// Bytes below which an index costs nothing worth a recommendation.
const SMALLEST: f64 = 64.0 * 1024.0;

/// Returns the indexes of a catalogue to drop, the largest first. An index behind a constraint is never among them.
#[must_use]
pub fn surplus(catalogue: &Catalogue, workload: &Workload, limits: &Limits) -> Vec<Surplus> {
    let mut found: Vec<Surplus> = Vec::new();
    for table in catalogue.tables.iter().filter(|table| table.kind != TableKind::Foreign) {
        for (at, reason) in reasons(table, workload, limits) {
            let Some(index) = table.indexes.get(at) else { continue };
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
                estimated_bytes: hypothetical_bytes(table, index, partial_share(table, index)),
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

/// Returns why another index, which stays, serves the statements of the one at this position; none if there is no such index.
fn replaced(table: &Table, at: usize, found: &BTreeMap<usize, SurplusReason>) -> Option<SurplusReason> {
    let index = table.indexes.get(at)?;
    let staying = table
        .indexes
        .iter()
        .enumerate()
        .filter(|(other, index)| *other != at && index.valid && !found.contains_key(other));
    staying.map(|(_, other)| other).find_map(|other| {
        if is_same(index, other) {
            Some(SurplusReason::Duplicate { of: other.name.clone() })
        } else {
            is_prefix(index, other).then(|| SurplusReason::Prefix { of: other.name.clone() })
        }
    })
}

/// Returns the positions of a table's superfluous indexes with their reasons.
///
/// An index stays when the one that would replace it is dropped itself, so that no statement loses both.
fn reasons(table: &Table, workload: &Workload, limits: &Limits) -> BTreeMap<usize, SurplusReason> {
    let droppable = |index: &Index| !is_needed(index) && index.parent.is_none();
    let mut found: BTreeMap<usize, SurplusReason> = BTreeMap::new();
    for (at, index) in table.indexes.iter().enumerate().filter(|(_, index)| droppable(index)) {
        if !index.valid {
            found.insert(at, SurplusReason::Invalid);
        } else if let Some(seconds) = unused(table, index, workload, limits) {
            found.insert(at, SurplusReason::Unused { seconds });
        }
    }
    // An index that serves the same statements is a better reason, since it does not depend on a span of time.
    let unused: Vec<usize> =
        found.iter().filter(|(_, reason)| matches!(reason, SurplusReason::Unused { .. })).map(|(at, _)| *at).collect();
    for at in unused {
        if let Some(reason) = replaced(table, at, &found) {
            found.insert(at, reason);
        }
    }
    // Of two equal ones the one with fewer scans is dropped, else the later.
    let mut rest: Vec<(usize, &Index)> =
        table.indexes.iter().enumerate().filter(|(_, index)| droppable(index)).collect();
    rest.sort_by(|(a, left), (b, right)| {
        left.scans.unwrap_or(0.0).total_cmp(&right.scans.unwrap_or(0.0)).then_with(|| b.cmp(a))
    });
    for (at, _) in rest {
        if !found.contains_key(&at)
            && let Some(reason) = replaced(table, at, &found)
        {
            found.insert(at, reason);
        }
    }
    found
}

/// Returns the seconds of statistics that show no scan of an index, if they are long enough.
fn unused(table: &Table, index: &Index, workload: &Workload, limits: &Limits) -> Option<f64> {
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
    (scans <= 0.0 && in_span <= 0.0 && seconds >= limits.unused_after_seconds && !serves_foreign_key).then_some(seconds)
}

fn is_same(a: &Index, b: &Index) -> bool {
    a.method == b.method
        && a.keys == b.keys
        && a.include == b.include
        && same_predicate(a.predicate.as_deref(), b.predicate.as_deref())
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
        && same_predicate(narrow.predicate.as_deref(), wide.predicate.as_deref())
        && narrow.include.iter().all(has)
        && !(narrow.keys.len() == wide.keys.len() && narrow.include.len() == wide.include.len())
}
