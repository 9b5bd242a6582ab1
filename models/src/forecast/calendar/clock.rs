//! Maps the steps of a pushed series to local time, across daylight saving. Used by the online forecaster.

use crate::units::UtcOffsets;
use crate::{Step, Timestamp};

const DAY_MS: i64 = 86_400_000;

/// The local time of a series, advanced value by value.
#[derive(Debug, Clone)]
pub(in crate::forecast) struct LocalClock {
    offsets: UtcOffsets,
    start: Timestamp,
    step: Step,
    /// Number of values so far.
    taken: usize,
    /// Local index of the last value that was not in a repeated hour.
    last: i64,
}

impl LocalClock {
    /// Creates a clock for a series whose first value is at `start`.
    pub(in crate::forecast) fn new(offsets: UtcOffsets, start: Timestamp, step: Step) -> Self {
        Self { offsets, start, step, taken: 0, last: -1 }
    }

    fn local_index(&self, idx: usize) -> i64 {
        self.offsets.local(self.start, self.step).index(idx)
    }

    fn day(&self) -> i64 {
        (DAY_MS / self.step.millis()).max(1)
    }

    /// Advances by one value. Returns the number of local steps that were skipped before it, or `None` when its local
    /// time has already passed, as in a repeated hour.
    pub(in crate::forecast) fn tick(&mut self) -> Option<usize> {
        let index = self.local_index(self.taken);
        self.taken += 1;
        let skipped = usize::try_from(index.saturating_sub(self.last).saturating_sub(1)).ok()?;
        self.last = index;
        // Clock changes are shorter than a day: a larger jump is not one.
        Some(if i64::try_from(skipped).is_ok_and(|skipped| skipped <= self.day()) { skipped } else { 0 })
    }

    /// Converts a lead after the last value to a lead in local steps, within 1 to `most`. A repeated hour is forecast
    /// like the same hour of the next day, if that lead is within `most`.
    pub(in crate::forecast) fn lead(&self, lead: usize, most: usize) -> usize {
        if self.taken == 0 {
            return lead;
        }
        let away = self.local_index((self.taken - 1).saturating_add(lead)).saturating_sub(self.last);
        match usize::try_from(away) {
            Ok(away) if away >= 1 => away.min(most),
            _ => {
                usize::try_from(away.saturating_add(self.day())).ok().filter(|l| (1..=most).contains(l)).unwrap_or(lead)
            }
        }
    }
}
