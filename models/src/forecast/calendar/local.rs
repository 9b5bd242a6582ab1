//! Converts a series, its ranges and its leads to local time. Used by the default forecaster.

use std::ops::Range;

use crate::units::UtcOffsets;
use crate::{Step, Timestamp};

const DAY_MS: i64 = 86_400_000;

/// A series in local time, so that days and weeks keep their length across daylight saving.
#[derive(Debug, Clone)]
pub(in crate::forecast) struct LocalSeries {
    offsets: UtcOffsets,
    start: Timestamp,
    step: Step,
    /// Number of points of the original series.
    points: usize,
    /// Local index of the first point, and of the one after the last.
    first: i64,
    end: i64,
}

impl LocalSeries {
    /// Creates the mapping for a series of `points` values, at least one, that starts at `start`.
    pub(in crate::forecast) fn new(offsets: &UtcOffsets, start: Timestamp, step: Step, points: usize) -> Self {
        let grid = offsets.local(start, step);
        let first = (0..points).map(|i| grid.index(i)).min().unwrap_or(0);
        let end = grid.index(points.saturating_sub(1)) + 1;
        Self { offsets: offsets.clone(), start, step, points, first, end }
    }

    /// Returns `y` in local time.
    pub(in crate::forecast) fn series(&self, y: &[f64]) -> Vec<f64> {
        self.offsets.local(self.start, self.step).series(y)
    }

    /// Converts ranges of steps, including future ones, to local time.
    pub(in crate::forecast) fn ranges(&self, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
        let grid = self.offsets.local(self.start, self.step);
        let local_index = |idx: usize| usize::try_from(grid.index(idx) - self.first).unwrap_or(0);
        ranges.iter().filter(|r| r.start < r.end).map(|r| local_index(r.start)..local_index(r.end - 1) + 1).collect()
    }

    /// Returns the lead in local time, from 0, of each of the next `horizon` steps. An hour that is repeated right
    /// after the series is forecast like that of the next day.
    pub(in crate::forecast) fn leads(&self, horizon: usize) -> Vec<usize> {
        let grid = self.offsets.local(self.start, self.step);
        let day = (DAY_MS / self.step.millis()).max(1);
        let lead = |k: usize| grid.index(self.points + k) - self.end;
        (0..horizon)
            .map(|k| usize::try_from(lead(k)).or_else(|_| usize::try_from(lead(k) + day)).unwrap_or(k))
            .collect()
    }
}
