//! Offsets of local time from UTC, and the local grid of a series across daylight saving.

use serde::{Deserialize, Serialize};

use super::{Step, Timestamp};

/// Offsets of local time from UTC, and the instants at which they change: the part of a time zone that days and weeks
/// across daylight saving depend on.
///
/// ```
/// use almanac_models::{Step, Timestamp, units::UtcOffsets};
/// let hour = 3_600_000;
/// // One hour ahead, two from the tenth hour on.
/// let berlin = UtcOffsets::new(hour, vec![(Timestamp::from_millis(10 * hour), 2 * hour)]);
/// assert_eq!(berlin.at(Timestamp::from_millis(0)), hour);
/// let local = berlin.local(Timestamp::from_millis(8 * hour), Step::from_millis(hour)?);
/// // The third point, at the tenth hour, is the first with the new offset: one index of local time is skipped.
/// assert_eq!((local.index(1), local.index(2)), (1, 3));
/// # Ok::<(), almanac_models::UnitError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UtcOffsets {
    first_ms: i64,
    /// Start and offset in milliseconds of each change, ascending.
    changes: Vec<(Timestamp, i64)>,
}

impl UtcOffsets {
    /// Returns offsets of `first_ms` milliseconds (negative west of UTC) until the first of `changes`, each an instant
    /// and the offset from then on.
    #[must_use]
    pub fn new(first_ms: i64, mut changes: Vec<(Timestamp, i64)>) -> Self {
        changes.sort_by_key(|(at, _)| *at);
        Self { first_ms, changes }
    }

    /// Returns the offset from UTC at an instant, in milliseconds.
    #[must_use]
    pub fn at(&self, instant: Timestamp) -> i64 {
        let known = self.changes.partition_point(|(at, _)| *at <= instant);
        known.checked_sub(1).map_or(self.first_ms, |i| self.changes[i].1)
    }

    /// Returns the grid of local time for a series that starts at `start`, with points `step` apart.
    #[must_use]
    pub fn local(&self, start: Timestamp, step: Step) -> LocalGrid<'_> {
        LocalGrid { offsets: self, start, step }
    }
}

/// Local-time indices of the points of an evenly spaced series.
#[derive(Debug, Clone, Copy)]
pub struct LocalGrid<'a> {
    offsets: &'a UtcOffsets,
    start: Timestamp,
    step: Step,
}

impl LocalGrid<'_> {
    /// Returns the local-time index of the point `idx`, relative to the first point. It jumps forward where the clocks
    /// do, and repeats where they go back. A change that is not a multiple of the step is rounded to one.
    #[must_use]
    pub fn index(&self, idx: usize) -> i64 {
        let idx = i64::try_from(idx).unwrap_or(i64::MAX);
        let at = self.start.plus_millis(self.step.millis().saturating_mul(idx));
        let ahead = self.offsets.at(at) - self.offsets.at(self.start);
        idx.saturating_add((ahead + self.step.millis().div_euclid(2)).div_euclid(self.step.millis()))
    }

    /// Returns the series by local time: NaN where the clocks jumped forward, the mean where an hour is repeated.
    ///
    /// Shapes: about as long as `y`; it ends with the last value of `y`.
    #[must_use]
    pub fn series(&self, y: &[f64]) -> Vec<f64> {
        let Some(last) = y.len().checked_sub(1) else { return Vec::new() };
        let first = (0..y.len()).map(|i| self.index(i)).min().unwrap_or(0);
        let length = usize::try_from(self.index(last) - first + 1).unwrap_or(y.len());
        let (mut sums, mut counts) = (vec![0.0; length], vec![0.0_f64; length]);
        for (i, v) in y.iter().enumerate() {
            let place = usize::try_from(self.index(i) - first).ok().filter(|p| *p < length);
            if let Some(place) = place.filter(|_| !v.is_nan()) {
                sums[place] += v;
                counts[place] += 1.0;
            }
        }
        sums.iter().zip(&counts).map(|(sum, n)| if *n > 0.0 { sum / n } else { f64::NAN }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// New York in 2026: clocks ahead on 8 March 07:00 UTC, back on 1 November 06:00 UTC.
    fn new_york() -> UtcOffsets {
        let at = Timestamp::from_millis;
        UtcOffsets::new(-5 * HOUR, vec![(at(1_793_512_800_000), -5 * HOUR), (at(1_772_953_200_000), -4 * HOUR)])
    }

    #[test]
    fn offsets_change_at_their_instants() {
        let zone = new_york();
        for (at, hours) in [(0, -5), (1_772_953_199_999, -5), (1_772_953_200_000, -4), (1_793_512_800_000, -5)] {
            assert_eq!(zone.at(Timestamp::from_millis(at)), hours * HOUR);
        }
    }

    #[test]
    fn a_local_day_keeps_its_place_across_both_changes() {
        let step = Step::from_millis(HOUR).unwrap();
        for change in [1_772_953_200_000, 1_793_512_800_000] {
            let start = Timestamp::from_millis(change - 72 * HOUR);
            let zone = new_york();
            // A load that follows the local hour.
            let hour_of = |idx: i64| (start.millis() + idx * HOUR + zone.at(start.plus_millis(idx * HOUR))) / HOUR % 24;
            let y: Vec<f64> = (0..144).map(|t| hour_of(t) as f64).collect();
            let local = zone.local(start, step).series(&y);
            for (place, v) in local.iter().enumerate().filter(|(_, v)| v.is_finite()) {
                let expected = (y[0] + place as f64) % 24.0;
                assert!((v - expected).abs() < 1e-9, "{change}: place {place} is {v}, not {expected}");
            }
            let missing = local.iter().filter(|v| v.is_nan()).count();
            assert_eq!((local.len(), missing), if change < 1_780_000_000_000 { (145, 1) } else { (143, 0) });
        }
        assert!(new_york().local(Timestamp::from_millis(0), step).series(&[]).is_empty());
    }
}
