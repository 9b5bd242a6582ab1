//! Learns departures by their time of the day; a detector asks before each value what recurs there.

use super::phase::{Days, Phase};

/// Steps of the longest cycle that is kept: a day of ten seconds.
const MOST_STEPS: usize = 8_640;
/// Steps of the shortest cycle.
const LEAST_STEPS: usize = 12;
/// A departure lasts at most this share of a day: three hours. What lasts longer is a change of the level.
const LONGEST_SHARE: usize = 8;
/// Shares of a day that a departure may come early or late: three minutes at one-minute steps, one step at longer ones.
const JITTER_SHARE: usize = 480;
/// A departure goes on while it has this share of its largest height.
const CONTINUES: f64 = 0.4;
/// Heights may leave the range that they were in by this share of the largest.
const MARGIN: f64 = 0.25;
/// The share of the least height below which a departure that has to come is absent.
const ABSENT: f64 = 0.5;

/// Departures of the last weeks by time of the day, and the one that lasts at the moment.
///
/// A departure is learned when it is over. On three of the last seven days, or twice on the same weekday, it is
/// ordinary; on six of seven, or on all workdays of two weeks, its absence is an anomaly. Without any departure nothing
/// is allocated, and a step costs nothing.
#[derive(Debug, Clone)]
pub(in crate::anomaly) struct RecurringDepartures {
    /// Steps of a cycle; 0 where none is known.
    cycle: usize,
    jitter: usize,
    phases: Vec<Phase>,
    /// The step that comes.
    t: usize,
    run: Vec<f64>,
    peak: f64,
    /// The departure lasts longer than those that are learned: until it ends it is a change of the level.
    overlong: bool,
    /// The last step that departed as departures there do.
    last: Option<usize>,
}

/// What recurs at a step, as heights above what is expected without it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::anomaly) struct Expectation {
    /// Least and largest height seen there, on one side of 0.
    low: f64,
    high: f64,
    /// Whether it has to be there at this step, or at the latest at this one.
    certain: bool,
}

impl Expectation {
    /// The height expected.
    pub(in crate::anomaly) fn height(&self) -> f64 {
        0.5 * (self.low + self.high)
    }

    /// Least and largest height that is ordinary: where the departure is not certain, none is.
    pub(in crate::anomaly) fn range(&self) -> [f64; 2] {
        let margin = MARGIN * self.low.abs().max(self.high.abs());
        let (below, above) = (ABSENT * self.low, ABSENT * self.high);
        match (self.low > 0.0, self.certain) {
            (true, true) => [below, self.high + margin],
            (true, false) => [0.0, self.high + margin],
            (false, true) => [self.low - margin, above],
            (false, false) => [self.low - margin, 0.0],
        }
    }

    /// Whether a departure that has to be there is not: this height lies on the side of none.
    pub(in crate::anomaly) fn is_absent(&self, height: f64) -> bool {
        let [least, most] = self.range();
        self.certain && if self.low > 0.0 { height < least } else { height > most }
    }

    /// Whether a height is ordinary there.
    pub(in crate::anomaly) fn contains(&self, height: f64) -> bool {
        let [least, most] = self.range();
        (least..=most).contains(&height)
    }

    /// Whether the departure has to be there.
    pub(in crate::anomaly) fn is_certain(&self) -> bool {
        self.certain
    }

    /// The least height of a departure, by size.
    pub(in crate::anomaly) fn least_size(&self) -> f64 {
        self.low.abs().min(self.high.abs())
    }
}

impl RecurringDepartures {
    /// `cycle`: steps of a day, where that is a whole number of them.
    pub(in crate::anomaly) fn new(cycle: Option<usize>) -> Self {
        let cycle = cycle.filter(|cycle| (LEAST_STEPS..=MOST_STEPS).contains(cycle)).unwrap_or(0);
        let jitter = (cycle / JITTER_SHARE).max(1);
        Self { cycle, jitter, phases: Vec::new(), t: 0, run: Vec::new(), peak: 0.0, overlong: false, last: None }
    }

    /// What recurs at the step that comes.
    pub(in crate::anomaly) fn expected(&self) -> Option<Expectation> {
        if self.phases.is_empty() {
            return None;
        }
        let (t, jitter) = (self.t, self.jitter);
        let around = t.saturating_sub(2 * jitter)..=t + 2 * jitter;
        let (mut days, mut all) = (Days::default(), true);
        for s in around.clone() {
            let here = self.days(s);
            all &= here.are_certain();
            days = days.or(here);
        }
        // It came on all days some steps ago, and not today.
        let until = t.saturating_sub(3 * jitter)..=t.saturating_sub(jitter);
        let by_now = until.clone().fold(Days::default(), |days, s| days.or(self.days(s)));
        let missed = by_now.are_certain() && self.last.is_none_or(|last| last + 4 * jitter < t);
        if !(days.are_learned() || missed) {
            return None;
        }
        let mut range: Option<[f64; 2]> = None;
        for s in around.chain(until).filter(|s| !self.days(*s).is_empty()) {
            let [low, high] = self.phases[s % self.cycle].range();
            range = Some(match range {
                // Departures to both sides within minutes: the side met first is the one of this step.
                Some([l, h]) if (l > 0.0) == (low > 0.0) => [l.min(low), h.max(high)],
                Some(range) => range,
                None => [low, high],
            });
        }
        range.map(|[low, high]| Expectation { low, high, certain: all || missed })
    }

    /// Whether a height is like a departure that came at about this time on another day, learned or not.
    pub(in crate::anomaly) fn resembles(&self, height: f64) -> bool {
        if self.phases.is_empty() {
            return false;
        }
        (self.t.saturating_sub(2 * self.jitter)..=self.t + 2 * self.jitter).filter(|s| !self.days(*s).is_empty()).any(
            |s| {
                let [low, high] = self.phases[s % self.cycle].range();
                height * low > 0.0 && height.abs() >= CONTINUES * low.abs().min(high.abs())
            },
        )
    }

    /// Whether a departure lasts at the moment.
    pub(in crate::anomaly) fn is_within(&self) -> bool {
        !self.run.is_empty()
    }

    /// Learns the height of the step that comes, and goes on to the next. `departs`: the value is an anomaly, or departs as
    /// it does there on other days.
    pub(in crate::anomaly) fn push(&mut self, height: f64, departs: bool) {
        if self.cycle == 0 {
            return;
        }
        let goes_on = height * self.peak > 0.0 && height.abs() >= CONTINUES * self.peak.abs();
        if self.overlong && !goes_on {
            self.forget_run();
        }
        if self.overlong {
            // Nothing of it is learned.
        } else if self.is_within() && goes_on {
            self.extend_run(height);
        } else {
            self.end_run();
            if departs && height != 0.0 {
                self.extend_run(height);
            }
        }
        self.t += 1;
    }

    /// There is no value at this step.
    pub(in crate::anomaly) fn skip(&mut self) {
        if self.cycle > 0 {
            self.end_run();
            // What may have come is not absent.
            if self.expected().is_some() {
                self.last = Some(self.t);
            }
            self.t += 1;
        }
    }

    /// Goes on to the next step without learning.
    pub(in crate::anomaly) fn pass(&mut self, present: bool) {
        if present {
            self.last = Some(self.t);
        }
        self.t += 1;
    }

    /// The step that comes is at the time of the day that one was `steps` ago.
    pub(in crate::anomaly) fn set_back(&mut self, steps: usize) {
        self.forget_run();
        self.t = self.t.saturating_sub(steps);
    }

    fn extend_run(&mut self, height: f64) {
        self.run.push(height);
        self.peak = if height.abs() > self.peak.abs() { height } else { self.peak };
        self.last = Some(self.t);
        if self.run.len() > self.cycle / LONGEST_SHARE {
            self.run.clear();
            self.overlong = true;
        }
    }

    fn forget_run(&mut self) {
        self.run.clear();
        self.peak = 0.0;
        self.overlong = false;
    }

    /// The departure that lasted until now is over: its steps learn it.
    fn end_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        if self.phases.is_empty() {
            self.phases = vec![Phase::default(); self.cycle];
        }
        let start = self.t - self.run.len().min(self.t);
        let run = std::mem::take(&mut self.run);
        for (s, height) in (start..).zip(&run) {
            let day = self.day(s);
            #[expect(clippy::cast_possible_truncation, reason = "seven digits of a height are enough")]
            let height = height.clamp(-1e30, 1e30) as f32;
            self.phases[s % self.cycle].push(day, height);
        }
        self.run = run;
        self.forget_run();
    }

    fn day(&self, s: usize) -> u32 {
        u32::try_from(s / self.cycle).unwrap_or(u32::MAX)
    }

    /// The days before that of step `s` that departed at its time.
    fn days(&self, s: usize) -> Days {
        self.phases[s % self.cycle].days_before(self.day(s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A departure of `height` at steps `at` of each day of 96, on days that `on` has.
    fn learned(at: std::ops::Range<usize>, days: usize, on: impl Fn(usize) -> bool) -> RecurringDepartures {
        let mut recurring = RecurringDepartures::new(Some(96));
        for t in 0..days * 96 {
            let there = at.contains(&(t % 96)) && on(t / 96);
            recurring.push(if there { 60.0 } else { 0.5 }, there);
        }
        recurring
    }

    fn expectations(mut recurring: RecurringDepartures) -> Vec<Option<Expectation>> {
        (0..96)
            .map(|_| {
                let expected = recurring.expected();
                recurring.push(0.0, false);
                expected
            })
            .collect()
    }

    #[test]
    fn a_daily_departure_is_ordinary_after_three_days_and_certain_after_a_week() {
        let three = expectations(learned(24..28, 3, |_| true));
        assert!((22..30).all(|t| three[t].is_some_and(|e| !e.certain)), "{three:?}");
        assert!(three[20].is_none() && three[32].is_none());
        let eight = expectations(learned(24..30, 8, |_| true));
        assert!((26..28).all(|t| eight[t].is_some_and(|e| e.is_absent(0.5) && !e.is_absent(55.0))), "{eight:?}");
        assert!(eight[24].is_some_and(|e| !e.is_absent(0.5)), "it may come a step late");
    }

    #[test]
    fn a_departure_of_one_step_is_absent_one_step_later() {
        let expected = expectations(learned(24..25, 8, |_| true));
        let absent: Vec<usize> = (0..96).filter(|&t| expected[t].is_some_and(|e| e.is_absent(0.0))).collect();
        assert!(!absent.is_empty() && absent.iter().all(|t| (24..28).contains(t)), "{absent:?}");
    }

    #[test]
    fn what_lasts_for_hours_is_a_change_of_the_level() {
        assert!(expectations(learned(24..60, 8, |_| true)).iter().all(Option::is_none));
        assert!(RecurringDepartures::new(None).expected().is_none());
    }
}
