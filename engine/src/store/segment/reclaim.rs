//! Shortens the file by moving rows from its end into free blocks.

use std::{collections::BTreeMap, sync::Arc};

use duckdb::Connection;

use crate::store::{StoreError, error::failed_to, shared::Shared};

/// Share of the file that may be free before space is given back: a tenth is soon filled again.
const FREE_SHARE: u64 = 10;
/// Blocks of 256 KiB that are left for what a move needs besides the rows.
const SPARE_BLOCKS: u64 = 8;
/// Row groups, 122,880 rows each, that are moved in one transaction, so that memory stays bounded.
const GROUPS_AT_ONCE: usize = 64;

/// The file in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileSize {
    used: u64,
    free: u64,
    total: u64,
}

/// A row group: a stretch of a table's rows in blocks of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RowGroup {
    table: String,
    first_row: u64,
    rows: u64,
    blocks: u64,
    last_block: u64,
}

/// Moves rows from the end of the file into free blocks before them, until the file is nearly as short as what it holds.
///
/// DuckDB cuts free blocks off only where they are the file's last ones, and compaction leaves free blocks where the
/// rows were that it moved. Rows that are deleted and inserted again take the first free blocks.
pub(super) fn give_back(shared: &Arc<Shared>, connection: &Connection) -> Result<(), StoreError> {
    let mut size = file_size(connection)?;
    while size.free * FREE_SHARE > size.total {
        let chosen = choose(row_groups(connection)?, size);
        if chosen.is_empty() {
            break;
        }
        let (own, written): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|group| is_compactions_own(&group.table));
        relocate(connection, &own)?;
        shared.on_writer(move |writer| {
            relocate(&writer.connection, &written)?;
            writer.checkpoint()
        })?;
        let now = file_size(connection)?;
        if now.total >= size.total {
            // A long read holds the old rows: the next time.
            break;
        }
        size = now;
    }
    Ok(())
}

/// Whether nobody but compaction writes into a table, so that its rows can be moved while samples arrive.
fn is_compactions_own(table: &str) -> bool {
    table.starts_with("cold_") || table.starts_with("rollup_")
}

/// The row groups that reach furthest to the end, as many as the free blocks can take.
fn choose(mut groups: Vec<RowGroup>, size: FileSize) -> Vec<RowGroup> {
    groups.retain(|group| group.last_block >= size.used);
    groups.sort_by_key(|group| std::cmp::Reverse(group.last_block));
    let mut room = size.free.saturating_sub(SPARE_BLOCKS);
    let fits = |group: &RowGroup| {
        let left = room.checked_sub(group.blocks);
        room = left.unwrap_or(room);
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

/// The row groups of all of our tables in the file.
fn row_groups(connection: &Connection) -> Result<Vec<RowGroup>, StoreError> {
    let failed = failed_to("find the blocks of rows");
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
                     count(DISTINCT block_id) FILTER (block_id >= 0), max(block_id)
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

/// Deletes rows and inserts them again, in one transaction. Should the rows have shifted since they were looked at, others
/// are moved: nothing else changes.
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
        // Fails when the transaction has ended already, which is as good.
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
