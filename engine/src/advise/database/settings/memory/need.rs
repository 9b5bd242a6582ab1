//! Memory with which a sort, a hash join or a hashed aggregate writes no temporary file.
//!
//! The sizes are those of PostgreSQL's structures; `docs/measured/databases.md` compares them with the least `work_mem` that was
//! found by trial on version 15.

use crate::database::PlanNode;

/// Bytes of a sorted row in memory beside what it takes on disk: the entry of the array (24), the header of its memory (8 to
/// 16), its header without the length (10), rounding to 8, and the share of the array that is not used yet.
const SORTED_ROW: f64 = 64.0;
/// Bytes of a sorted value that is kept in the entry of the array alone (numbers), beside what it takes on disk.
const SORTED_VALUE: f64 = 14.0;
/// Bytes on disk below which a sorted row is such a value: a length of 4 and a value of 8, and the blocks of the file. Other rows
/// have 18 at least.
const VALUE_ON_DISK: f64 = 16.0;
/// Headers of a row in a hash table: `HJTUPLE_OVERHEAD` (16) and the header of a minimal tuple (16), `nodeHash.c`.
const HASHED_ROW: f64 = 32.0;
/// Pointer of a bucket; there is a bucket for each row, rounded up to a power of two.
const BUCKET: f64 = 8.0;
/// Header and memory header of a group's key (16 and 16), and the entry of the hash table (`TupleHashEntryData`).
const GROUP_KEY: f64 = 32.0;
const GROUP_ENTRY: f64 = 24.0;
/// Bytes of a group's states beyond its key (a header of 16 and 16 for each aggregate), where the row is wider than a number.
const GROUP_STATES: f64 = 32.0;
const GROUP_NO_STATES: f64 = 8.0;
/// A table of groups is full at 90 %.
const FILL: f64 = 0.9;
/// Memory of a table of groups relative to the sum of its parts: the old table while it grows, blocks that are not full.
const GROUPS_GROW: f64 = 1.35;
/// First version whose sorts do not round the memory of a row up to a power of two (`GenerationContext`).
const VERSION_15: u32 = 150_000;

/// A node that wrote temporary files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spill {
    /// What the node does: `sort`, `hash join` or `hashed aggregate`.
    pub(super) what: &'static str,
    /// Bytes of `work_mem` with which it would write none.
    pub(super) need: f64,
    /// Rows of the node.
    pub(super) rows: f64,
}

/// Returns the nodes of an executed plan that wrote temporary files and whose need is known.
///
/// `multiplier`: `hash_mem_multiplier`, by which hash tables may exceed `work_mem`.
///
/// # Reference
/// `tuplesort.c` (`SortTuple`, `grow_memtuples`), `nodeHash.c` (`ExecChooseHashTableSize`), `nodeAgg.c`
/// (`hash_agg_entry_size`) of PostgreSQL 15.
pub(super) fn spills(root: &PlanNode, version: u32, multiplier: f64) -> Vec<Spill> {
    root.all().into_iter().filter_map(|node| spill(node, version, multiplier.max(1.0))).collect()
}

fn spill(node: &PlanNode, version: u32, multiplier: f64) -> Option<Spill> {
    let actual = node.actual_rows?;
    let is_above_one = |value: Option<f64>| value.is_some_and(|value| value > 1.0);
    match node.node.as_str() {
        "Sort" if node.sort_method.as_deref().is_some_and(|method| method.starts_with("external")) => {
            let disk = node.sort_kib? * 1024.0;
            Some(Spill { what: "sort", need: sorted(disk, actual, version), rows: actual })
        }
        // The planner divides a table that it expects to be too large before it is read.
        "Hash" if is_above_one(node.batches) => {
            let rows = actual.max(node.rows);
            Some(Spill { what: "hash join", need: hashed(rows, node.width) / multiplier, rows: actual })
        }
        "Aggregate" if is_above_one(node.batches) || node.disk_kib.is_some_and(|kib| kib > 0.0) => {
            // Rows that HAVING removes are groups as well.
            let rows = actual + node.removed.unwrap_or(0.0);
            Some(Spill { what: "hashed aggregate", need: grouped(rows, node.width) / multiplier, rows })
        }
        _ => None,
    }
}

/// Returns the memory of a sort in bytes. `disk`: bytes that its rows take in a temporary file.
pub(super) fn sorted(disk: f64, rows: f64, version: u32) -> f64 {
    let rows = rows.max(1.0);
    let each = disk / rows;
    if each < VALUE_ON_DISK {
        return disk + rows * SORTED_VALUE;
    }
    if version > 0 && version < VERSION_15 {
        // Header of the memory 16, entry of the array 24, and a part of the array that is not used yet.
        let rounded = (each + 10.0).log2().ceil().exp2();
        return rows * (rounded + 16.0 + 24.0 + 8.0);
    }
    disk + rows * SORTED_ROW
}

/// Returns the memory of a hash table in bytes. `width`: bytes of a row.
fn hashed(rows: f64, width: f64) -> f64 {
    let buckets = rows.max(1024.0).log2().ceil().exp2();
    rows * (HASHED_ROW + align(width)) + buckets * BUCKET
}

/// Returns the memory of groups in bytes. `width`: bytes of a group's row.
fn grouped(groups: f64, width: f64) -> f64 {
    let entries = (groups.max(256.0) / FILL).log2().ceil().exp2();
    let states = if width > 8.0 { GROUP_STATES } else { GROUP_NO_STATES };
    (groups * (align(width) + GROUP_KEY + states) + entries * GROUP_ENTRY) * GROUPS_GROW
}

fn align(bytes: f64) -> f64 {
    (bytes / 8.0).ceil() * 8.0
}
