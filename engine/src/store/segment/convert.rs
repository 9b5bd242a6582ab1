//! Replaces the cold segments of releases before schema version 8 by segments of blocks.

use std::path::Path;

use duckdb::Connection;

use super::{Segment, SegmentKind, SegmentLayout, build::build, plan::Merge};
use crate::store::{
    StoreError,
    error::failed_to,
    file::OpenedFile,
    schema,
    write::{ROW_BYTES, check_disk_space},
};

/// Replaces the segments of rows, each in a transaction of its own: the next opening continues an interrupted conversion.
/// `report` is called with the samples that are done and their total, before the first and after every few millions.
///
/// A segment with a damaged block of the file stays as it is: reads know segments of rows.
///
/// # Errors
/// `DiskFull`: the segments that are not converted yet stay as they are; or an error of DuckDB.
pub(in crate::store) fn convert(
    connection: &Connection,
    (path, opened): (&Path, &OpenedFile),
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
        // A checkpoint that finds the disk full would stop the database.
        check_disk_space(path, rows.rows.saturating_mul(ROW_BYTES), "converting the store to blocks")?;
        let merge = Merge { base: vec![rows.clone()], late: Vec::new() };
        match build(connection, &merge, layout.take_id(), None, |written| report(done + written, total)) {
            Ok(built) => {
                replace(connection, &rows, built.run.as_ref())?;
                layout.frozen.retain(|segment| segment.id != rows.id);
                layout.frozen.extend(built.run);
                layout.frozen.sort_by_key(|segment| segment.id);
                // The space of the old segment is free after a checkpoint.
                schema::checkpoint(connection, path, opened)?;
            }
            Err(error @ StoreError::DamagedBlock { .. }) => {
                tracing::warn!(segment = rows.id, %error, "a segment stays uncompressed, because it cannot be read as a whole");
            }
            Err(error) => return Err(error),
        }
        done += rows.rows;
        report(done, total);
    }
    Ok(())
}

/// Replaces a segment by the new one.
fn replace(connection: &Connection, old: &Segment, new: Option<&Segment>) -> Result<(), StoreError> {
    let added = new.map_or_else(String::new, Segment::listed);
    connection
        .execute_batch(&format!(
            "BEGIN TRANSACTION; DROP TABLE {}; DELETE FROM store.segments WHERE segment_id = {}; {added} COMMIT",
            old.table(),
            old.id
        ))
        .map_err(|error| {
            // The rollback fails if the transaction has already ended, which is equivalent.
            let _ = connection.execute_batch("ROLLBACK");
            failed_to("replace a segment of rows by blocks")(error)
        })
}
