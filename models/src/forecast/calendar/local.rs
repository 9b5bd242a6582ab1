use std::ops::Range;

use crate::units::UtcOffsets;
use crate::{Step, Timestamp};

const DAY_MS: i64 = 86_400_000;

/// A series by the clocks of a place, so that days and weeks keep their length across daylight saving.
#[derive(Debug, Clone)]
pub(in crate::forecast) struct Local {
    offsets: UtcOffsets,
    start: Timestamp,
    step: Step,
    /// Points of the series.
    points: usize,
    /// Local place of the first point of the series by local time, and of the one after its last.
    first: i64,
    end: i64,
}

impl Local {
    /// For a series of `points`, at least one, from `start` on.
    pub(in crate::forecast) fn new(offsets: &UtcOffsets, start: Timestamp, step: Step, points: usize) -> Self {
        let grid = offsets.local(start, step);
        let first = (0..points).map(|i| grid.index(i)).min().unwrap_or(0);
        let end = grid.index(points.saturating_sub(1)) + 1;
        Self { offsets: offsets.clone(), start, step, points, first, end }
    }

    /// `y` by local time.
    pub(in crate::forecast) fn series(&self, y: &[f64]) -> Vec<f64> {
        self.offsets.local(self.start, self.step).series(y)
    }

    /// Ranges of steps of the series by local time, those to come included.
    pub(in crate::forecast) fn ranges(&self, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
        let grid = self.offsets.local(self.start, self.step);
        let place = |idx: usize| usize::try_from(grid.index(idx) - self.first).unwrap_or(0);
        ranges.iter().filter(|r| r.start < r.end).map(|r| place(r.start)..place(r.end - 1) + 1).collect()
    }

    /// How many steps after the series by local time, from 0, each of the next `horizon` steps lies. An hour that comes
    /// again right after the series is that of the next day.
    pub(in crate::forecast) fn leads(&self, horizon: usize) -> Vec<usize> {
        let grid = self.offsets.local(self.start, self.step);
        let day = (DAY_MS / self.step.millis()).max(1);
        let lead = |k: usize| grid.index(self.points + k) - self.end;
        (0..horizon)
            .map(|k| usize::try_from(lead(k)).or_else(|_| usize::try_from(lead(k) + day)).unwrap_or(k))
            .collect()
    }
}
