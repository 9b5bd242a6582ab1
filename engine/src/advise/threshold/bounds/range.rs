//! The range of a signal, which decides whether a bound can fire.
//!
//! A bound outside of the range, or one that no value of the history passes, would silently disable the alert.

use crate::advise::threshold::{Comparison, Instance};

/// Words in a signal's expression or name that imply a scale from 0 to 100, or from 0 to 1.
const PERCENT_WORDS: [&str; 5] = ["percent", "percentage", "pct", "utilization", "utilisation"];
const RATIO_WORDS: [&str; 6] = ["ratio", "fraction", "share", "availability", "utilization", "utilisation"];
/// Words of quantities without an upper end; a quotient with one of them is not a ratio.
const UNIT_WORDS: [&str; 10] =
    ["seconds", "second", "milliseconds", "ms", "duration", "latency", "bytes", "bits", "time", "count"];
/// Tolerance for rounding errors beyond the end of a scale.
const SLACK: f64 = 1e-9;
/// Share of a scale that values must reach to imply it without a word.
const NEAR_END: f64 = 0.8;

/// Range and kind of a signal's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::advise::threshold) struct SignalRange {
    /// Ends of the scale; infinite without one.
    lowest: f64,
    highest: f64,
    /// Lowest and highest value of the history.
    seen_lowest: f64,
    seen_highest: f64,
    /// Number of distinct values, counted up to three.
    distinct: usize,
    /// Whether every value is a whole number.
    is_whole: bool,
}

impl SignalRange {
    /// Computes the range of a signal from its values, the words of its expression and name (`signal_text`), and its
    /// present bound.
    pub(in crate::advise::threshold) fn of(instances: &[Instance<'_>], signal_text: &str, bound: f64) -> Self {
        let mut range = Self {
            lowest: f64::NEG_INFINITY,
            highest: f64::INFINITY,
            seen_lowest: f64::INFINITY,
            seen_highest: f64::NEG_INFINITY,
            distinct: 0,
            is_whole: true,
        };
        let mut seen: Vec<u64> = Vec::with_capacity(3);
        for value in instances.iter().flat_map(|instance| instance.values).copied().filter(|value| value.is_finite()) {
            range.seen_lowest = range.seen_lowest.min(value);
            range.seen_highest = range.seen_highest.max(value);
            range.is_whole &= value.fract() == 0.0 && value.abs() < 9e15;
            // −0 is 0.
            let bits = (value + 0.0).to_bits();
            if seen.len() < 3 && !seen.contains(&bits) {
                seen.push(bits);
            }
        }
        range.distinct = seen.len();
        range.find_scale(signal_text, bound);
        range
    }

    /// Returns a range without limits, for standardised values.
    pub(in crate::advise::threshold) fn unlimited() -> Self {
        Self {
            lowest: f64::NEG_INFINITY,
            highest: f64::INFINITY,
            seen_lowest: f64::NEG_INFINITY,
            seen_highest: f64::INFINITY,
            distinct: usize::MAX,
            is_whole: false,
        }
    }

    /// Derives the scale. Negative values imply none; otherwise the lower end is 0.
    fn find_scale(&mut self, signal_text: &str, bound: f64) {
        if self.seen_lowest > self.seen_highest || self.seen_lowest < 0.0 {
            return;
        }
        self.lowest = 0.0;
        let signal_text = signal_text.to_ascii_lowercase();
        let words_found: Vec<&str> = signal_text.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
        let has_word = |words: &[&str]| words_found.iter().any(|word| words.contains(word));
        let fits = |end: f64| self.seen_highest <= end + SLACK && (0.0..=end).contains(&bound);
        let near = |end: f64| self.seen_highest >= NEAR_END * end;
        let is_share = has_word(&RATIO_WORDS) || (signal_text.contains(" / ") && near(1.0) && !has_word(&UNIT_WORDS));
        if fits(1.0) && (is_share || (self.distinct <= 2 && near(1.0))) {
            self.highest = 1.0;
        } else if fits(100.0)
            && bound > 1.0
            && (has_word(&PERCENT_WORDS) || signal_text.contains("* 100") || near(100.0))
        {
            self.highest = 100.0;
        }
    }

    /// Returns whether the signal is a state, with at most two distinct values.
    pub(in crate::advise::threshold) fn is_state(&self) -> bool {
        self.distinct <= 2
    }

    /// Describes the values of a state, for messages.
    pub(in crate::advise::threshold) fn states(&self) -> String {
        let (low, high) = (self.seen_lowest, self.seen_highest);
        match self.distinct {
            0 => "no value".to_owned(),
            1 => format!("one value, {low}"),
            _ => format!("two values, {low} and {high}"),
        }
    }

    /// Returns whether a bound can be passed on the scale and was passed in the history.
    pub(in crate::advise::threshold) fn allows(&self, comparison: Comparison, bound: f64) -> bool {
        let (end, seen) =
            if comparison.is_upper() { (self.highest, self.seen_highest) } else { (self.lowest, self.seen_lowest) };
        (self.lowest..=self.highest).contains(&bound) && comparison.holds(end, bound) && comparison.holds(seen, bound)
    }

    /// Clamps a bound to the scale and to the values seen, so that it can still fire. For bounds that move or are
    /// extrapolated.
    pub(in crate::advise::threshold) fn clamped(&self, comparison: Comparison, bound: f64) -> f64 {
        // A thousandth of the observed range below the extreme value, so that this value still passes.
        let reach = if comparison.is_upper() { self.seen_highest } else { self.seen_lowest };
        let step = 1e-3 * (self.seen_highest - self.seen_lowest);
        if !(reach.is_finite() && step.is_finite()) {
            return bound;
        }
        if comparison.is_upper() {
            bound.min(reach - step).max(self.lowest)
        } else {
            bound.max(reach + step).min(self.highest)
        }
    }

    /// Returns the finite ends of the scale, which a band is clamped to.
    pub(in crate::advise::threshold) fn scale(&self) -> (Option<f64>, Option<f64>) {
        (Some(self.lowest).filter(|end| end.is_finite()), Some(self.highest).filter(|end| end.is_finite()))
    }

    /// Rounds the bound of a whole-number signal to the whole number that the same values pass.
    pub(in crate::advise::threshold) fn whole(&self, comparison: Comparison, bound: f64) -> f64 {
        match comparison {
            _ if !self.is_whole || bound.abs() > 9e15 => bound,
            Comparison::Greater | Comparison::LessEqual => bound.floor(),
            Comparison::GreaterEqual | Comparison::Less => bound.ceil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(values: &[f64], signal_text: &str, bound: f64) -> SignalRange {
        let timestamps: Vec<i64> = (0..).take(values.len()).collect();
        SignalRange::of(&[Instance { timestamps: &timestamps, values }], signal_text, bound)
    }

    #[test]
    fn states_have_at_most_two_values() {
        for values in [&[1.0, 0.0, 1.0, f64::NAN][..], &[3.0, 2.0, f64::INFINITY], &[1.0], &[0.0, -0.0], &[]] {
            assert!(range(values, "up", 1.0).is_state(), "{values:?}");
        }
        assert!(!range(&[0.0, 1.0, 2.0], "up", 1.0).is_state());
    }

    #[test]
    fn a_bound_stays_within_the_range() {
        let check = |values: &[f64], signal_text: &str, comparison, present, bound, allowed| {
            let range = range(values, signal_text, present);
            assert_eq!(range.allows(comparison, bound), allowed, "{signal_text} {comparison:?} {bound}: {range:?}");
        };
        let percent = [3.0, 50.0, 99.4, 100.0];
        check(&percent, "cpu_percent", Comparison::Greater, 90.0, 100.0, false);
        check(&percent, "cpu_percent", Comparison::Greater, 90.0, 99.5, true);
        check(&percent, "cpu_percent", Comparison::GreaterEqual, 90.0, 100.0, true);
        check(&[3.0, 50.0, 70.0], "cpu_percent", Comparison::Greater, 60.0, 75.0, false);
        check(&[0.9, 0.97, 1.0], "a / b", Comparison::Less, 0.95, 0.9, false);
        check(&[0.9, 0.97, 1.0], "a / b", Comparison::Less, 0.95, 0.92, true);
        check(&[0.0, 0.2, 1.0], "ratio", Comparison::Less, 0.1, -0.1, false);
        check(&[0.0, 4.0, 9.0], "jobs", Comparison::Less, 2.0, 0.0, false);
        check(&[-5.0, 4.0, 9.0], "celsius", Comparison::Less, 2.0, -4.0, true);
        check(&[0.0, 200.0, 900.0], "jobs", Comparison::Greater, 50.0, 950.0, false);
    }

    #[test]
    fn moving_bounds_are_kept_where_they_can_fire() {
        let percent = range(&[0.0, 40.0, 80.0], "cpu_percent", 70.0);
        assert!(percent.clamped(Comparison::Greater, 130.0) < 80.0);
        assert!(percent.clamped(Comparison::Less, -5.0) > 0.0);
        assert_eq!(percent.scale(), (Some(0.0), Some(100.0)));
        assert!((percent.clamped(Comparison::Greater, 50.0) - 50.0).abs() < 1e-12);
        assert!((SignalRange::unlimited().clamped(Comparison::Greater, 130.0) - 130.0).abs() < 1e-12);
    }

    #[test]
    fn whole_numbers_have_whole_bounds() {
        let jobs = range(&[0.0, 4.0, 9.0], "jobs", 2.0);
        for (comparison, expected) in [
            (Comparison::Greater, 4.0),
            (Comparison::GreaterEqual, 5.0),
            (Comparison::Less, 5.0),
            (Comparison::LessEqual, 4.0),
        ] {
            assert!((jobs.whole(comparison, 4.3) - expected).abs() < 1e-12, "{comparison:?}");
        }
        assert!((range(&[0.5, 1.0], "x", 1.0).whole(Comparison::Greater, 4.3) - 4.3).abs() < 1e-12);
    }
}
