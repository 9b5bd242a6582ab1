//! Reads samples of selected series from memory and segments.
//!
//! Memory returns the newest part of each series. Only the part before it is read from disk.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::segments::{SegmentRead, SeriesRead};
use crate::{
    series::{Matcher, Part, SeriesId, SeriesSamples},
    store::{StoreError, index, shared::Shared},
};

/// Time after which a read whose segment was replaced by compaction is not repeated any more.
const REPLACED_WITHIN: Duration = Duration::from_secs(5);
/// Longest time between two attempts of it.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// Returns the samples of a span, or the newest one, of all series that satisfy the matchers, sorted by labels.
pub(in crate::store) fn select(
    shared: &Shared,
    matchers: &[Matcher],
    (start, end): (i64, i64),
    limit: usize,
    of: Part,
) -> Result<Vec<SeriesSamples>, StoreError> {
    if start > end {
        return Ok(Vec::new());
    }
    let mut ids = index::select(&shared.registry, matchers);
    {
        let recent = shared.recent.read();
        ids.retain(|&id| recent.overlaps(id, start, end));
    }
    shared.registry.read().sort_by_labels(&mut ids, |&id| id);
    let mut chosen = from_memory(shared, &ids, (start, end), limit, of)?;
    from_disk(shared, &mut chosen, start, end, limit)?;
    let registry = shared.registry.read();
    let found = chosen
        .into_iter()
        .filter_map(|series| {
            let id = SeriesId::new(series.id);
            let (timestamps, values) = series.joined();
            let labels = registry.labels(id).filter(|_| !timestamps.is_empty())?;
            let mut found = SeriesSamples { labels, timestamps, values };
            if of == Part::Newest {
                found.keep_newest();
            }
            Some(found)
        })
        .collect();
    Ok(found)
}

/// Collects the samples in memory, and for each series the timestamp before which the disk must be read.
fn from_memory(
    shared: &Shared,
    ids: &[u32],
    (start, end): (i64, i64),
    limit: usize,
    of: Part,
) -> Result<Vec<SeriesRead>, StoreError> {
    let recent = shared.recent.read();
    let mut samples = 0;
    let mut chosen = Vec::new();
    for &id in ids {
        if !recent.overlaps(id, start, end) {
            continue;
        }
        let part = match of {
            Part::All => recent.part(id, start, end),
            Part::Newest => recent.newest(id, start, end),
        };
        samples += part.timestamps.len();
        if samples > limit {
            return Err(StoreError::TooManySamples { limit });
        }
        if part.disk_before.is_some() || !part.timestamps.is_empty() {
            chosen.push(SeriesRead { id, part, timestamps: Vec::new(), values: Vec::new() });
        }
    }
    Ok(chosen)
}

/// Adds the samples on disk. A failed attempt leaves partial results, which the next `SegmentRead::new` clears.
fn from_disk(shared: &Shared, chosen: &mut [SeriesRead], start: i64, end: i64, limit: usize) -> Result<(), StoreError> {
    let Some(before) = chosen.iter().filter_map(|series| series.part.disk_before).max() else {
        return Ok(());
    };
    let end = end.min(before.saturating_sub(1));
    until_replaced(|| {
        // Before the layout, so that a change in between is noticed.
        let collected = shared.blocks.collect();
        let layout = shared.layout.read().clone();
        let mut attempt = SegmentRead::new(chosen, start, end, limit);
        shared.readers.with(|connection| attempt.run(connection, &layout, Some(collected)))?;
        attempt.finish();
        Ok(())
    })
}

/// Repeats a read that fails because compaction has dropped one of its segments, with the next layout. That follows the commit of the
/// compaction, with syncs of a disk in between that may be slow.
pub(super) fn until_replaced<T>(mut read: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match read() {
            Err(error) if is_replaced(&error) && started.elapsed() < REPLACED_WITHIN => {
                thread::sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

/// Returns whether a read failed because compaction has dropped one of its segments.
fn is_replaced(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { source, .. } if source.to_string().contains("does not exist"))
}

/// Formats an instant as a SQL constant of the column's own type, so that DuckDB can compare it with segment
/// statistics.
pub(in crate::store) fn instant(timestamp_ms: i64) -> String {
    let within = timestamp_ms.clamp(crate::store::MIN_TIMESTAMP_MS, crate::store::MAX_TIMESTAMP_MS);
    format!("make_timestamp_ms({within})::TIMESTAMP_MS")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::failed_to;

    #[test]
    fn a_read_of_a_replaced_segment_is_repeated() {
        let message = "Catalog Error: Table with name cold_11 does not exist!";
        let dropped = || failed_to("read")(duckdb::Error::InvalidParameterName(message.to_owned()));
        let mut attempts = 0;
        let read = until_replaced(|| {
            attempts += 1;
            if attempts < 10 { Err(dropped()) } else { Ok(attempts) }
        });
        assert_eq!(read.unwrap(), 10);
        until_replaced(|| -> Result<(), StoreError> { Err(StoreError::Closed) }).unwrap_err();
    }
}
