//! Finds the newest timestamp up to an instant.

use duckdb::Connection;

use super::{
    for_each_batch,
    select::{instant, until_replaced},
};
use crate::store::{
    StoreError,
    error::failed_to,
    segment::{BLOCK_COLUMNS, Segment, SegmentKind, damaged, each_block},
    shared::Shared,
};

/// Returns the newest timestamp up to `until`. Only segments that extend beyond `until` are queried.
pub(in crate::store) fn newest_until(shared: &Shared, until: i64) -> Result<Option<i64>, StoreError> {
    until_replaced(|| find_newest(shared, until))
}

fn find_newest(shared: &Shared, until: i64) -> Result<Option<i64>, StoreError> {
    let layout = shared.layout.read().clone();
    let mut newest: Option<i64> = shared.histograms.read().newest_until(until);
    for segment in layout.all().filter(|segment| segment.rows > 0 && segment.min <= until) {
        let found = if segment.max <= until {
            Some(segment.max)
        } else {
            shared.readers.with(|connection| newest_of(connection, segment, until))?
        };
        newest = newest.max(found);
    }
    Ok(newest)
}

/// Returns the newest timestamp of a segment up to `until`.
fn newest_of(connection: &Connection, segment: &Segment, until: i64) -> Result<Option<i64>, StoreError> {
    let at = instant(until);
    let failed = failed_to("find the newest sample");
    if segment.kind != SegmentKind::Cold {
        let sql = format!("SELECT epoch_ms(max(timestamp)) FROM {} WHERE timestamp <= {at}", segment.table());
        return connection.query_row(&sql, [], |row| row.get(0)).map_err(failed);
    }
    let table = segment.table();
    let sql = format!("SELECT epoch_ms(max(end_at)) FROM {table} WHERE end_at <= {at}");
    let mut newest: Option<i64> = connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
    // Blocks around the instant have timestamps on both sides of it.
    let around = format!("SELECT {BLOCK_COLUMNS} FROM {table} WHERE begin_at <= {at} AND end_at > {at}");
    let mut timestamps = Vec::new();
    for_each_batch(connection, &around, |batch| {
        each_block(batch, |block| {
            timestamps.clear();
            block.decode_timestamps(&mut timestamps).map_err(|error| damaged(block.series, &error))?;
            let before = timestamps.partition_point(|at| *at <= until);
            newest = newest.max(before.checked_sub(1).map(|last| timestamps[last]));
            Ok(())
        })
    })?;
    Ok(newest)
}
