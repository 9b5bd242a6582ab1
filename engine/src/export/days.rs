//! Reads a store day by day, the newest first, in parts that fit into memory.

use almanac_models::Timestamp;

use super::ExportError;
use crate::{
    series::{Matcher, SampleSource, SeriesSamples, SourceError},
    store::{Store, StoreError},
};

/// Most samples of a part: 64 MiB of timestamps and values.
pub const PART_SAMPLES: usize = 4_000_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Samples of one day (UTC), or of a part of it when the day has more than fit into memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Start of the part's span, epoch milliseconds; the next older part ends before it.
    pub from_ms: i64,
    /// Series sorted by labels, each with its samples in order of time; none is empty.
    pub series: Vec<SeriesSamples>,
}

impl Part {
    /// Returns the start of the part's day, and the milliseconds from there to the start of its span.
    #[must_use]
    pub fn day(&self) -> (i64, i64) {
        (self.from_ms.div_euclid(DAY_MS) * DAY_MS, self.from_ms.rem_euclid(DAY_MS))
    }
}

/// Returns the newest part of the samples from `start` to `end` (epoch milliseconds, inclusive) of the series that satisfy the
/// matchers; none when there are no samples left. `limit`: most samples of a part ([`PART_SAMPLES`]).
///
/// The next older part is that up to `from_ms - 1`, so that each sample is in exactly one part. Spans without samples are
/// skipped: one sample of 1970 does not cost a query for every day since.
///
/// # Errors
/// [`ExportError::Read`].
pub fn newest_part(
    store: &Store,
    matchers: &[Matcher],
    (start, end): (i64, i64),
    limit: usize,
) -> Result<Option<Part>, ExportError> {
    let failed = |error: StoreError| ExportError::Read(error.into());
    let mut until = end;
    while until >= start {
        let newest = store.newest_until(Timestamp::from_millis(until)).map_err(failed)?.map(Timestamp::millis);
        let Some(newest) = newest.filter(|newest| *newest >= start) else { return Ok(None) };
        let mut from = (newest.div_euclid(DAY_MS) * DAY_MS).max(start);
        loop {
            match store.select(matchers, from, until.min(newest), limit) {
                Ok(series) if series.is_empty() => break,
                Ok(series) => return Ok(Some(Part { from_ms: from, series })),
                // A span with too many samples is read in halves, the newer one first.
                Err(SourceError::TooManySamples { .. }) if from < newest => from += (newest - from) / 2 + 1,
                Err(error) => return Err(error.into()),
            }
        }
        until = from - 1;
    }
    Ok(None)
}
