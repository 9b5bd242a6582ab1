//! Shortens the file after a full compaction by moving rows from its end into free blocks.

use std::{collections::BTreeMap, sync::Arc};

use duckdb::Connection;

use crate::store::{
    StoreError,
    error::failed_to,
    shared::{CHECKPOINT_WAIT, Shared},
};

/// Reciprocal of the tolerated share of free blocks: a tenth of the file may be free, since it is soon used again.
const FREE_SHARE: u64 = 10;
/// Free blocks reserved for metadata during a move.
const SPARE_BLOCKS: u64 = 8;
/// Maximum number of row groups (122,880 rows each) moved in one transaction, to bound memory.
const GROUPS_AT_ONCE: usize = 64;

/// Sizes of the file in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileSize {
    used: u64,
    free: u64,
    total: u64,
}

/// A row group: consecutive rows of a table, stored in separate blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RowGroup {
    table: String,
    first_row: u64,
    rows: u64,
    blocks: u64,
    last_block: u64,
}

/// Moves rows from the end of the file into earlier free blocks until at most a tenth of the file is free.
///
/// DuckDB truncates free blocks only at the end of the file, and compaction leaves free blocks within it. Rows that are
/// deleted and inserted again are written to the first free blocks.
pub(super) fn reclaim_space(shared: &Arc<Shared>, connection: &Connection) -> Result<(), StoreError> {
    let mut size = file_size(connection)?;
    while size.free * FREE_SHARE > size.total {
        let chosen = choose(row_groups(connection)?, size);
        if chosen.is_empty() {
            break;
        }
        let (unshared, shared_tables): (Vec<_>, Vec<_>) =
            chosen.into_iter().partition(|group| is_written_by_compaction_only(&group.table));
        relocate(connection, &unshared)?;
        shared.on_writer(move |writer| relocate(&writer.connection, &shared_tables))?;
        match shared.checkpoint(CHECKPOINT_WAIT) {
            Err(StoreError::Reading) => break,
            written => written?,
        }
        let now = file_size(connection)?;
        if now.total >= size.total {
            // A long read still needs the old rows; the next compaction retries.
            break;
        }
        size = now;
    }
    Ok(())
}

/// Returns whether only compaction writes to a table, so that its rows can be moved outside the writer thread.
fn is_written_by_compaction_only(table: &str) -> bool {
    table.starts_with("cold_") || table.starts_with("rollup_")
}

/// Returns the row groups nearest to the end of the file, as many as fit into the free blocks.
fn choose(mut groups: Vec<RowGroup>, size: FileSize) -> Vec<RowGroup> {
    // The shortened file ends after `used` blocks: groups before that need not move.
    groups.retain(|group| group.last_block >= size.used);
    groups.sort_by_key(|group| std::cmp::Reverse(group.last_block));
    let mut available = size.free.saturating_sub(SPARE_BLOCKS);
    let fits = |group: &RowGroup| {
        let left = available.checked_sub(group.blocks);
        available = left.unwrap_or(available);
        left.is_some()
    };
    groups.into_iter().take(GROUPS_AT_ONCE).take_while(fits).collect()
}

fn file_size(connection: &Connection) -> Result<FileSize, StoreError> {
    connection
        .query_row("SELECT used_blocks, free_blocks, total_blocks FROM pragma_database_size()", [], |row| {
            Ok(FileSize { used: row.get(0)?, free: row.get(1)?, total: row.get(2)? })
        })
        .map_err(failed_to("measure the file"))
}

/// Returns the row groups of all tables but the hot and late segments.
fn row_groups(connection: &Connection) -> Result<Vec<RowGroup>, StoreError> {
    let failed = failed_to("list the row groups");
    let mut statement = connection
        .prepare(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' AND database_name = current_database()",
        )
        .map_err(&failed)?;
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(&failed)?;
    let mut groups = Vec::new();
    for table in tables.into_iter().filter(|table| !table.starts_with("hot_") && !table.starts_with("late_")) {
        let mut statement = connection
            .prepare(&format!(
                "SELECT sum(count) FILTER (column_id = 0 AND segment_type <> 'VALIDITY' AND column_path = '[0]'),
                     coalesce(len(list_distinct(flatten(list([block_id] || additional_block_ids) FILTER (block_id >= 0)))), 0),
                     greatest(max(block_id), max(list_max(additional_block_ids)))
                 FROM pragma_storage_info('store.{table}') GROUP BY row_group_id ORDER BY row_group_id"
            ))
            .map_err(&failed)?;
        let mut first_row = 0;
        let found = statement
            .query_map([], |row| {
                Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, u64>(1)?, row.get::<_, Option<i64>>(2)?))
            })
            .and_then(Iterator::collect::<duckdb::Result<Vec<_>>>)
            .map_err(&failed)?;
        for (rows, blocks, last_block) in found {
            let rows = rows.unwrap_or(0);
            if let Some(last_block) = last_block.and_then(|block| u64::try_from(block).ok()) {
                groups.push(RowGroup { table: table.clone(), first_row, rows, blocks, last_block });
            }
            first_row += rows;
        }
    }
    Ok(groups)
}

/// Deletes rows and inserts them again, in one transaction. If row numbers have changed since the row groups were
/// listed, other rows are moved, which is harmless.
fn relocate(connection: &Connection, groups: &[RowGroup]) -> Result<(), StoreError> {
    if groups.is_empty() {
        return Ok(());
    }
    let mut by_table: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for RowGroup { table, first_row, rows, .. } in groups {
        let range = format!("(rowid >= {first_row} AND rowid < {})", first_row + rows);
        by_table.entry(table).or_default().push(range);
    }
    let moves: String = by_table
        .iter()
        .map(|(table, ranges)| {
            let moved = ranges.join(" OR ");
            format!(
                "CREATE OR REPLACE TEMP TABLE moved AS SELECT * FROM store.{table} WHERE {moved};
                 DELETE FROM store.{table} WHERE {moved};
                 INSERT INTO store.{table} FROM temp.main.moved;"
            )
        })
        .collect();
    let done = connection.execute_batch(&format!("BEGIN TRANSACTION; {moves} DROP TABLE temp.main.moved; COMMIT"));
    if done.is_err() {
        // The rollback fails if the transaction has already ended, which is equivalent.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done.map_err(failed_to("move rows within the file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(last_block: u64, blocks: u64) -> RowGroup {
        RowGroup { table: "cold_1".to_owned(), first_row: 0, rows: 1, blocks, last_block }
    }

    fn chosen(groups: &[(u64, u64)], size: FileSize) -> Vec<u64> {
        let groups = groups.iter().map(|(last_block, blocks)| group(*last_block, *blocks)).collect();
        choose(groups, size).iter().map(|group| group.last_block).collect()
    }

    #[test]
    fn the_last_ones_are_moved_as_far_as_they_fit() {
        let size = FileSize { used: 50, free: 28, total: 78 };
        assert_eq!(chosen(&[(20, 5), (60, 5), (77, 10), (70, 4), (49, 1)], size), [77, 70, 60]);
        assert_eq!(chosen(&[(60, 5), (77, 10), (70, 9)], size), [77, 70]);
        assert!(chosen(&[(77, 10)], FileSize { free: 8, ..size }).is_empty());
    }
}
