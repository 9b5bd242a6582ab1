//! What the last few values were.

use super::{Kind, Scored};

/// Values that a return is looked for among.
const LATE: usize = 10;
/// Values on a line after which a series stands still.
const STILL: usize = 8;
/// A series that spends more than this share of the last `MEMORY` values or so on lines does so by habit.
const HABIT: f64 = 0.3;
const MEMORY: f64 = 20_000.0;
/// Equal values in a row that are told, where none were seen before; times the longest run so far; and times as many
/// values must have been seen. An hour of one-minute values, as an exporter that hangs is noticed.
const FLAT: f64 = 60.0;
const LONGER: f64 = 3.0;
const LEARNED: f64 = 10.0;
/// Equal values in a row from which on a series rests at that value, and values that its share of rest stands on.
const REST: usize = 6;
const REST_MEMORY: f64 = 2_000.0;

/// The last values.
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

    /// A value between others of late is no new departure from them: a count that is mostly 0 falls back to 0 after each
    /// burst, and a level that had followed the burst would call it.
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

/// Whether a series stands still, or goes along a line, as it seldom does: what stands in for values that are missing says
/// nothing of how a series varies. A day of it made the scale so small that the next day was one anomaly.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlatlineDetector {
    last: [f64; 2],
    seen: usize,
    run: usize,
    /// Decayed share of values that stood still for long.
    share: f64,
    /// Values in a row that are equal, and the longest such run before, decayed.
    equal: usize,
    longest: f64,
    /// Least and largest value.
    range: [f64; 2],
    /// The value that the series rests at, and the decayed share of values that are it.
    rest: f64,
    rest_share: f64,
}

impl FlatlineDetector {
    /// Whether this value and those before it lie on a line; departures from it below a thousandth of `floor` do not count.
    pub(crate) fn push(&mut self, value: f64, floor: f64) -> bool {
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

    /// Takes another value for the one that the series rests at where it stays there for long and has no other.
    fn follow_rest(&mut self, value: f64, rounding: f64) {
        let rate = 1.0 / ((self.seen + 1) as f64).min(REST_MEMORY);
        if self.rest_share < HABIT && self.equal >= REST {
            (self.rest, self.rest_share) = (value, self.rest_share.max(self.equal as f64 * rate));
        }
        let rests = (value - self.rest).abs() <= rounding;
        self.rest_share += (f64::from(u8::from(rests)) - self.rest_share) * rate;
    }

    /// Whether the series often has exactly this value, as a count that is 0 at night: to return there is ordinary.
    pub(crate) fn rests_at(&self, value: f64) -> bool {
        self.rest_share >= HABIT && (value - self.rest).abs() <= 1e-9 * value.abs()
    }

    /// Whether the last values lie on a line, by habit or not.
    pub(crate) fn is_still(&self) -> bool {
        self.run >= STILL
    }

    /// Whether it is how the series is that they do.
    pub(crate) fn is_usually_constant(&self) -> bool {
        self.is_still() && self.share >= HABIT
    }

    /// The score of a series that stands still for longer than it ever did, if that is above 1.
    pub(crate) fn flat_line(&self, value: f64) -> Option<Scored> {
        let bound = FLAT.max(LONGER * self.longest);
        let score = self.equal as f64 / bound;
        // What rests at its least or largest value, as a count without events or a ratio at its limit, is not stuck.
        let inside = self.range[0] < value && value < self.range[1];
        let tells = score > 1.0 && inside && self.share < HABIT && self.seen as f64 > LEARNED * bound;
        tells.then_some(Scored { expected: value, lower: f64::NAN, upper: f64::NAN, score, kind: Kind::FlatLine })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a flat line is told at each step.
    fn told(values: impl Iterator<Item = f64>) -> Vec<bool> {
        let mut still = FlatlineDetector::default();
        values
            .map(|value| {
                still.push(value, 0.0);
                still.flat_line(value).is_some()
            })
            .collect()
    }

    #[test]
    fn a_stuck_series_is_told_and_one_that_is_usually_constant_is_not() {
        let varies = |t: usize| ((t * 7_919 + t * t * 31) % 101) as f64;
        let stuck = told((0..3_000).map(|t| if t < 2_500 { varies(t) } else { 4.0 }));
        assert_eq!(stuck.iter().position(|told| *told), Some(2_561));
        let rests = told((0..20_000).map(|t| if t % 500 < 100 { 0.0 } else { varies(t) }));
        assert!(!rests[1_000..].contains(&true));
        assert!(!told((0..3_000).map(|_| 7.0)).contains(&true));
    }
}
