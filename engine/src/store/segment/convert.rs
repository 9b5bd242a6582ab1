//! Replaces the cold segments of releases before schema version 8 by segments of blocks.

use duckdb::Connection;

use super::{Segment, SegmentKind, SegmentLayout, build::build, plan::Merge};
use crate::store::{StoreError, error::failed_to};

/// Replaces the segments of rows, each in a transaction of its own: an interrupted conversion goes on at the next opening.
/// `report` is called with the samples that are done and their total, before the first and after every few millions.
pub(in crate::store) fn convert(
    connection: &Connection,
    layout: &mut SegmentLayout,
    report: impl Fn(u64, u64),
) -> Result<(), StoreError> {
    let old = layout.frozen_of(SegmentKind::Rows);
    if old.is_empty() {
        return Ok(());
    }
    let (mut done, total) = (0, old.iter().map(|segment| segment.rows).sum());
    report(done, total);
    for rows in old {
        let merge = Merge { base: vec![rows.clone()], late: Vec::new() };
        let built = build(connection, &merge, layout.take_id(), None, |written| report(done + written, total))?.run;
        replace(connection, &rows, built.as_ref())?;
        layout.frozen.retain(|segment| segment.id != rows.id);
        layout.frozen.extend(built);
        layout.frozen.sort_by_key(|segment| segment.id);
        done += rows.rows;
        report(done, total);
    }
    Ok(())
}

/// Replaces a segment by the new one, and writes a checkpoint, which frees the space of the old one.
fn replace(connection: &Connection, old: &Segment, new: Option<&Segment>) -> Result<(), StoreError> {
    let added = new.map_or_else(String::new, |run| {
        format!(
            "INSERT INTO store.segments (segment_id, kind, frozen, rows, min_ms, max_ms) VALUES ({}, '{}', true, {}, {}, {});",
            run.id,
            run.kind.as_str(),
            run.rows,
            run.min,
            run.max
        )
    });
    connection
        .execute_batch(&format!(
            "BEGIN TRANSACTION; DROP TABLE {}; DELETE FROM store.segments WHERE segment_id = {}; {added} COMMIT; CHECKPOINT",
            old.table(),
            old.id
        ))
        .map_err(|error| {
            // The rollback fails if the transaction has already ended, which is equivalent.
            let _ = connection.execute_batch("ROLLBACK");
            failed_to("replace a segment of rows by blocks")(error)
        })
}
