//! Loads the newest samples of cold segments into memory after an opening, so that queries of the last hour need no statement.

use std::ops::Range;

use super::segments::{SegmentRead, SeriesRead};
use crate::store::{
    StoreError,
    write::{RecentPart, Writer},
};

/// Loads the samples of some series from `from` on that memory lacks, at most `limit`, and returns their number.
///
/// It runs on the writer thread, since a late sample that arrived between reading and adding would be missing in memory.
///
/// # Errors
/// `TooManySamples`: none of these series is loaded. Errors of DuckDB and damaged blocks.
pub(in crate::store) fn load_older(
    writer: &Writer,
    ids: Range<u32>,
    from: i64,
    limit: usize,
) -> Result<usize, StoreError> {
    let shared = &writer.shared;
    let layout = shared.layout.read().clone();
    let mut chosen: Vec<SeriesRead> = {
        let recent = shared.recent.read();
        let missing = |id: u32| recent.disk_before(id, from, i64::MAX).map(|before| (id, before));
        let part = |before: i64| RecentPart { disk_before: Some(before), ..RecentPart::default() };
        ids.filter_map(missing)
            .map(|(id, before)| SeriesRead { id, part: part(before), timestamps: Vec::new(), values: Vec::new() })
            .collect()
    };
    let Some(before) = chosen.iter().filter_map(|series| series.part.disk_before).max() else { return Ok(0) };
    let mut read = SegmentRead::new(&mut chosen, from, before.saturating_sub(1), limit);
    read.run(&writer.connection, &layout, None)?;
    read.finish();
    let mut recent = shared.recent.write();
    for series in &chosen {
        recent.prepend(series.id, from, &series.timestamps, &series.values);
    }
    Ok(chosen.iter().map(|series| series.timestamps.len()).sum())
}
