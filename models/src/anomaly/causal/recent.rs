//! The range of the last values, and the detection of constant stretches (flat lines).

use super::{Kind, Scored};

/// Number of last values whose range counts as ordinary.
const LATE: usize = 10;
/// Number of values on a line from which on a series is still.
const STILL: usize = 8;
/// Share of still values among about `MEMORY` from which on a series is usually constant.
const HABIT: f64 = 0.3;
const MEMORY: f64 = 20_000.0;
/// Smallest number of equal values in a row that is a flat line (an hour of one-minute values: an exporter hangs);
/// smallest ratio to the longest run so far; smallest ratio of the values seen to the bound.
const FLAT: f64 = 60.0;
const LONGER: f64 = 3.0;
const LEARNED: f64 = 10.0;
/// Number of equal values in a row that make a value the resting value, and memory of its share in values.
const REST: usize = 6;
const REST_MEMORY: f64 = 2_000.0;

/// The last `LATE` values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    values: [f64; LATE],
    next: usize,
    seen: usize,
}

impl Recent {
    pub(crate) fn push(&mut self, value: f64) {
        self.values[self.next] = value;
        self.next = (self.next + 1) % LATE;
        self.seen += 1;
    }

    /// Lowers the score of a value within the range of the last ones to 1. A count that is mostly 0 returns to 0 after
    /// each burst, and a level that followed the burst would call that.
    pub(crate) fn hold(&self, scored: Scored, value: f64) -> Scored {
        if scored.score <= 1.0 || self.seen < LATE {
            return scored;
        }
        let (low, high) = self.values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        if value < low || value > high {
            return scored;
        }
        Scored { score: 1.0, lower: scored.lower.min(low), upper: scored.upper.max(high), ..scored }
    }
}

/// Detects values that are equal or on a line, in a series that seldom is.
///
/// Such values often replace missing ones and carry no information on the noise: a day of them would make the scale so
/// small that the next day would be one anomaly.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlatlineDetector {
    last: [f64; 2],
    seen: usize,
    /// Number of consecutive values on a line.
    run: usize,
    /// Decayed share of values in long lines.
    share: f64,
    /// Number of consecutive equal values, and the decayed length of the longest such run before.
    equal: usize,
    longest: f64,
    /// Smallest and largest value so far.
    range: [f64; 2],
    /// Resting value, and decayed share of values equal to it.
    rest: f64,
    rest_share: f64,
}

impl FlatlineDetector {
    /// Learns a value; returns whether it and those before it are on a line, unless that is usual. Departures from the
    /// line below a thousandth of `floor` are ignored.
    pub(crate) fn push(&mut self, value: f64, floor: f64) -> bool {
        // The second difference is 0 on a line.
        let bend = value - 2.0 * self.last[1] + self.last[0];
        let rounding = 1e-9 * (value.abs() + self.last[1].abs());
        self.longest *= 1.0 - 0.1 / MEMORY;
        if (value - self.last[1]).abs() <= rounding {
            self.equal += 1;
        } else {
            self.longest = self.longest.max(self.equal as f64);
            self.equal = 0;
        }
        self.follow_rest(value, rounding);
        self.last = [self.last[1], value];
        self.range = if self.seen == 0 { [value; 2] } else { [self.range[0].min(value), self.range[1].max(value)] };
        self.seen += 1;
        self.run = if self.seen > 2 && bend.abs() <= rounding.max(1e-3 * floor) { self.run + 1 } else { 0 };
        let still = self.is_still();
        let count = self.seen as f64;
        let rate = if count < MEMORY { 1.0 / count } else { 1.0 / MEMORY };
        self.share += (f64::from(u8::from(still)) - self.share) * rate;
        still && self.share < HABIT
    }

    /// Makes `value` the resting value when the series stays there for long and has no other.
    fn follow_rest(&mut self, value: f64, rounding: f64) {
        let rate = 1.0 / ((self.seen + 1) as f64).min(REST_MEMORY);
        if self.rest_share < HABIT && self.equal >= REST {
            (self.rest, self.rest_share) = (value, self.rest_share.max(self.equal as f64 * rate));
        }
        let rests = (value - self.rest).abs() <= rounding;
        self.rest_share += (f64::from(u8::from(rests)) - self.rest_share) * rate;
    }

    /// Whether this is the resting value, such as 0 for a count at night; a return to it is ordinary.
    pub(crate) fn rests_at(&self, value: f64) -> bool {
        self.rest_share >= HABIT && (value - self.rest).abs() <= 1e-9 * value.abs()
    }

    /// Whether the last values are on a line, usual or not.
    pub(crate) fn is_still(&self) -> bool {
        self.run >= STILL
    }

    /// Whether the last values are on a line, and usually are.
    pub(crate) fn is_usually_constant(&self) -> bool {
        self.is_still() && self.share >= HABIT
    }

    /// Returns the score of a constant run longer than any before; `None` for a score of at most 1.
    pub(crate) fn flat_line(&self, value: f64) -> Option<Scored> {
        let bound = FLAT.max(LONGER * self.longest);
        let score = self.equal as f64 / bound;
        // A series at its minimum or maximum, such as a count without events or a ratio at its limit, is not stuck.
        let inside = self.range[0] < value && value < self.range[1];
        let tells = score > 1.0 && inside && self.share < HABIT && self.seen as f64 > LEARNED * bound;
        tells.then_some(Scored { expected: value, lower: f64::NAN, upper: f64::NAN, score, kind: Kind::FlatLine })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a flat line is detected at each step.
    fn detected(values: impl Iterator<Item = f64>) -> Vec<bool> {
        let mut still = FlatlineDetector::default();
        values
            .map(|value| {
                still.push(value, 0.0);
                still.flat_line(value).is_some()
            })
            .collect()
    }

    #[test]
    fn a_stuck_series_is_detected_and_one_that_is_usually_constant_is_not() {
        let varies = |t: usize| ((t * 7_919 + t * t * 31) % 101) as f64;
        let stuck = detected((0..3_000).map(|t| if t < 2_500 { varies(t) } else { 4.0 }));
        assert_eq!(stuck.iter().position(|detected| *detected), Some(2_561));
        let rests = detected((0..20_000).map(|t| if t % 500 < 100 { 0.0 } else { varies(t) }));
        assert!(!rests[1_000..].contains(&true));
        assert!(!detected((0..3_000).map(|_| 7.0)).contains(&true));
    }
}
