//! Reads everything that is stored, and compares the checksums: `almanac check`.

use almanac_models::Timestamp;
use duckdb::Connection;

use super::{
    Segment, SegmentKind, SegmentLayout,
    block::{self, BlockRef},
};
use crate::{
    series::SeriesId,
    store::{StoreError, error::failed_to, read::for_each_batch, shared::Shared},
};

/// Result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Tables that were read, segments among them.
    pub tables: u64,
    /// Blocks of samples, damaged ones among them.
    pub blocks: u64,
    /// Samples in sound blocks and in rows.
    pub samples: u64,
    /// What is damaged.
    pub damaged: Vec<Damage>,
}

/// A part of the store that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The table, or the series of a block.
    pub what: String,
    /// First and last timestamp and number of the samples of a block; `None` for a table.
    pub samples: Option<(Timestamp, Timestamp, u64)>,
    /// Why.
    pub reason: String,
}

/// Reads all tables and decodes all blocks. `report` is called with the samples that were read so far and their total.
pub(in crate::store) fn check(shared: &Shared, report: impl Fn(u64, u64)) -> Result<CheckReport, StoreError> {
    // Compaction replaces segments.
    let _one_at_a_time = shared.compacting.lock();
    let layout = shared.layout.read().clone();
    let connection = shared.readers.connect()?;
    let total = layout.all().map(|segment| segment.rows).sum();
    let mut found = CheckReport::default();
    report(0, total);
    for segment in layout.all().filter(|segment| segment.kind == SegmentKind::Cold) {
        found.tables += 1;
        check_blocks(shared, &connection, segment, &mut found, &|samples| report(samples, total))?;
    }
    for table in other_tables(&connection, &layout)? {
        found.tables += 1;
        // Every column of every row is read, so that DuckDB compares the checksums of its blocks.
        let sql = format!("SELECT bit_xor(hash(row)) FROM store.\"{table}\" AS row");
        match for_each_batch(&connection, &sql, |_| Ok(())) {
            Err(StoreError::DamagedBlock { detail }) => {
                found.damaged.push(Damage { what: format!("table {table}"), samples: None, reason: detail });
            }
            other => other?,
        }
    }
    found.samples += layout.all().filter(|segment| segment.kind != SegmentKind::Cold).map(|s| s.rows).sum::<u64>();
    report(total, total);
    Ok(found)
}

fn check_blocks(
    shared: &Shared,
    connection: &Connection,
    segment: &Segment,
    found: &mut CheckReport,
    report: &dyn Fn(u64),
) -> Result<(), StoreError> {
    let sql = format!("SELECT {} FROM {}", block::COLUMNS, segment.table());
    let read = for_each_batch(connection, &sql, |batch| {
        block::each(batch, |block| {
            found.blocks += 1;
            match flaw(block) {
                None => found.samples += u64::from(block.count),
                Some(reason) => {
                    let labels = shared.registry.read().labels(SeriesId::new(block.series));
                    let what = labels.map_or_else(|| format!("series {}", block.series), |labels| labels.to_string());
                    let [from, until] = [block.begin, block.end].map(Timestamp::from_millis);
                    found.damaged.push(Damage { what, samples: Some((from, until, u64::from(block.count))), reason });
                }
            }
            Ok(())
        })?;
        report(found.samples);
        Ok(())
    });
    match read {
        Err(StoreError::DamagedBlock { detail }) => {
            found.damaged.push(Damage { what: format!("table {}", segment.name()), samples: None, reason: detail });
            Ok(())
        }
        other => other,
    }
}

/// Returns why a block is not as it was written; `None` if it is.
pub(in crate::store) fn flaw(block: BlockRef<'_>) -> Option<String> {
    let (mut timestamps, mut values) = (Vec::new(), Vec::new());
    if let Err(error) = block.decode(&mut timestamps, &mut values) {
        return Some(error.to_string());
    }
    let is_ordered = timestamps.is_sorted_by(|a, b| a < b);
    let ends = (timestamps.first().copied(), timestamps.last().copied());
    (!is_ordered || ends != (Some(block.begin), Some(block.end))).then(|| "its timestamps are not in order".to_owned())
}

/// Returns the tables besides the cold segments.
fn other_tables(connection: &Connection, layout: &SegmentLayout) -> Result<Vec<String>, StoreError> {
    let failed = failed_to("list the tables");
    let mut statement = connection
        .prepare(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' AND database_name = current_database()
             ORDER BY 1",
        )
        .map_err(&failed)?;
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(&failed)?;
    let cold: Vec<String> = layout.of(SegmentKind::Cold).map(Segment::name).collect();
    Ok(tables.into_iter().filter(|table| !cold.contains(table)).collect())
}
