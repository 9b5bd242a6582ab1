use crate::units::UtcOffsets;
use crate::{Step, Timestamp};

const DAY_MS: i64 = 86_400_000;

/// The clocks of a place, followed value by value.
#[derive(Debug, Clone)]
pub(in crate::forecast) struct Clock {
    offsets: UtcOffsets,
    start: Timestamp,
    step: Step,
    /// Values that came.
    taken: usize,
    /// Local place of the last value that counts.
    last: i64,
}

impl Clock {
    /// Of a series whose first value is of `start`.
    pub(in crate::forecast) fn new(offsets: UtcOffsets, start: Timestamp, step: Step) -> Self {
        Self { offsets, start, step, taken: 0, last: -1 }
    }

    fn place(&self, idx: usize) -> i64 {
        self.offsets.local(self.start, self.step).index(idx)
    }

    fn day(&self) -> i64 {
        (DAY_MS / self.step.millis()).max(1)
    }

    /// Takes the next value: how many local places were skipped before it, or `None` when its place has passed already, as
    /// in the hour that comes twice.
    pub(in crate::forecast) fn tick(&mut self) -> Option<usize> {
        let place = self.place(self.taken);
        self.taken += 1;
        let skipped = usize::try_from(place.saturating_sub(self.last).saturating_sub(1)).ok()?;
        self.last = place;
        // No clock jumps by more than a day: that is no hour to leave out.
        Some(if i64::try_from(skipped).is_ok_and(|skipped| skipped <= self.day()) { skipped } else { 0 })
    }

    /// How many local steps after the last that counts the value `lead` steps after the last one lies; within 1 and `most`.
    /// An hour that comes again is that of the next day, where so long a lead is known.
    pub(in crate::forecast) fn lead(&self, lead: usize, most: usize) -> usize {
        if self.taken == 0 {
            return lead;
        }
        let away = self.place((self.taken - 1).saturating_add(lead)).saturating_sub(self.last);
        match usize::try_from(away) {
            Ok(away) if away >= 1 => away.min(most),
            _ => {
                usize::try_from(away.saturating_add(self.day())).ok().filter(|l| (1..=most).contains(l)).unwrap_or(lead)
            }
        }
    }
}
