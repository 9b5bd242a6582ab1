//! Learns departures by their time of the day and predicts, before each value, which departure recurs there.

use super::phase::{PastDays, PhaseDepartures};

/// Steps of the longest cycle: a day at ten seconds.
const MOST_STEPS: usize = 8_640;
/// Steps of the shortest cycle.
const LEAST_STEPS: usize = 12;
/// Divisor of a day for the longest departure, three hours. A longer one is a change of level.
const LONGEST_SHARE: usize = 8;
/// Divisor of a day for the time that a departure may come early or late: three minutes, or one step where longer.
const JITTER_SHARE: usize = 480;
/// Share of its largest height from which on a departure continues.
const CONTINUES: f64 = 0.4;
/// Tolerance of the range of heights, as a share of the largest.
const MARGIN: f64 = 0.25;
/// Share of the smallest height below which a certain departure is absent.
const ABSENT: f64 = 0.5;

/// Departures of the last weeks by time of the day, and the current one.
///
/// A departure is learned when it ends. On three of the last seven days, or twice on the same weekday, it is ordinary;
/// on six of seven, or on all workdays of two weeks, its absence is an anomaly. Without departures nothing is
/// allocated, and a step costs almost nothing.
#[derive(Debug, Clone)]
pub(in crate::anomaly) struct RecurringDepartures {
    /// Steps of a day; 0 where it is not a whole number of steps within the limits, and nothing is learned.
    cycle: usize,
    /// Steps by which a departure may come early or late.
    jitter: usize,
    /// By step of the day; empty before the first departure.
    phases: Vec<PhaseDepartures>,
    /// By step of the day: whether a departure was ever learned close enough to matter there. Most steps have none.
    is_near: Vec<bool>,
    /// Index of the next step.
    t: usize,
    /// Heights of the current departure, and the largest of them.
    run: Vec<f64>,
    peak: f64,
    /// Whether the current departure is too long to be learned and counts as a change of level until it ends.
    overlong: bool,
    /// Last step with a departure.
    last: Option<usize>,
}

/// Recurring departure expected at a step; heights are relative to the value expected without it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::anomaly) struct Expectation {
    /// Smallest and largest height so far, on one side of 0.
    low: f64,
    high: f64,
    /// Whether its absence at this step is an anomaly.
    certain: bool,
}

impl Expectation {
    /// Returns the expected height.
    pub(in crate::anomaly) fn height(&self) -> f64 {
        0.5 * (self.low + self.high)
    }

    /// Returns the smallest and the largest ordinary height; the range includes 0 unless the departure is certain.
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

    /// Whether a certain departure is absent: the height is too close to 0, or on its other side.
    pub(in crate::anomaly) fn is_absent(&self, height: f64) -> bool {
        let [least, most] = self.range();
        self.certain && if self.low > 0.0 { height < least } else { height > most }
    }

    /// Whether a height is ordinary.
    pub(in crate::anomaly) fn contains(&self, height: f64) -> bool {
        let [least, most] = self.range();
        (least..=most).contains(&height)
    }

    /// Whether the absence of the departure is an anomaly.
    pub(in crate::anomaly) fn is_certain(&self) -> bool {
        self.certain
    }

    /// Returns the smallest absolute height.
    pub(in crate::anomaly) fn least_size(&self) -> f64 {
        self.low.abs().min(self.high.abs())
    }
}

impl RecurringDepartures {
    /// `cycle`: steps of a day, if that is a whole number.
    pub(in crate::anomaly) fn new(cycle: Option<usize>) -> Self {
        let cycle = cycle.filter(|cycle| (LEAST_STEPS..=MOST_STEPS).contains(cycle)).unwrap_or(0);
        let jitter = (cycle / JITTER_SHARE).max(1);
        Self {
            cycle,
            jitter,
            phases: Vec::new(),
            is_near: Vec::new(),
            t: 0,
            run: Vec::new(),
            peak: 0.0,
            overlong: false,
            last: None,
        }
    }

    /// Returns the departure that recurs at the next step.
    pub(in crate::anomaly) fn expected(&self) -> Option<Expectation> {
        if !self.is_near() {
            return None;
        }
        let (t, jitter) = (self.t, self.jitter);
        let around = t.saturating_sub(2 * jitter)..=t + 2 * jitter;
        let (mut days, mut all) = (PastDays::default(), true);
        for s in around.clone() {
            let here = self.days(s);
            all &= here.are_certain();
            days = days.or(here);
        }
        // Missed: certain some steps ago, and it has not occurred today.
        let until = t.saturating_sub(3 * jitter)..=t.saturating_sub(jitter);
        let by_now = until.clone().fold(PastDays::default(), |days, s| days.or(self.days(s)));
        let missed = by_now.are_certain() && self.last.is_none_or(|last| last + 4 * jitter < t);
        if !(days.are_learned() || missed) {
            return None;
        }
        let mut range: Option<[f64; 2]> = None;
        for s in around.chain(until).filter(|s| !self.days(*s).is_empty()) {
            let [low, high] = self.phases[s % self.cycle].range();
            range = Some(match range {
                // Departures to both sides within minutes: the first step of this order decides the side.
                Some([l, h]) if (l > 0.0) == (low > 0.0) => [l.min(low), h.max(high)],
                Some(range) => range,
                None => [low, high],
            });
        }
        range.map(|[low, high]| Expectation { low, high, certain: all || missed })
    }

    /// Whether a height is similar to a departure of another day at about this time, learned or not.
    pub(in crate::anomaly) fn resembles(&self, height: f64) -> bool {
        if !self.is_near() {
            return false;
        }
        (self.t.saturating_sub(2 * self.jitter)..=self.t + 2 * self.jitter).filter(|s| !self.days(*s).is_empty()).any(
            |s| {
                let [low, high] = self.phases[s % self.cycle].range();
                height * low > 0.0 && height.abs() >= CONTINUES * low.abs().min(high.abs())
            },
        )
    }

    /// Whether a departure is in progress.
    pub(in crate::anomaly) fn is_within(&self) -> bool {
        !self.run.is_empty()
    }

    /// Learns the height of the next step and moves to the following one. `departs`: the value is an anomaly, or
    /// departs as on other days at this time.
    pub(in crate::anomaly) fn push(&mut self, height: f64, departs: bool) {
        if self.cycle == 0 {
            return;
        }
        let continues = height * self.peak > 0.0 && height.abs() >= CONTINUES * self.peak.abs();
        if self.overlong && !continues {
            self.forget_run();
        }
        if self.overlong {
            // An overlong departure is not learned.
        } else if self.is_within() && continues {
            self.extend_run(height);
        } else {
            self.end_run();
            if departs && height != 0.0 {
                self.extend_run(height);
            }
        }
        self.t += 1;
    }

    /// Passes a step without a value.
    pub(in crate::anomaly) fn skip(&mut self) {
        if self.cycle > 0 {
            self.end_run();
            // A departure that may have occurred does not count as absent.
            if self.expected().is_some() {
                self.last = Some(self.t);
            }
            self.t += 1;
        }
    }

    /// Moves to the following step without learning; `present`: the recurring departure occurred.
    pub(in crate::anomaly) fn pass(&mut self, present: bool) {
        if present {
            self.last = Some(self.t);
        }
        self.t += 1;
    }

    /// Moves the time of the next step back by `steps`.
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

    /// Returns whether a departure was ever learned about the time of day of the next step.
    fn is_near(&self) -> bool {
        !self.is_near.is_empty() && self.is_near[self.t % self.cycle]
    }

    fn forget_run(&mut self) {
        self.run.clear();
        self.peak = 0.0;
        self.overlong = false;
    }

    /// Ends the current departure and learns it at each of its steps.
    fn end_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        if self.phases.is_empty() {
            self.phases = vec![PhaseDepartures::default(); self.cycle];
            self.is_near = vec![false; self.cycle];
        }
        let start = self.t - self.run.len().min(self.t);
        // The buffer goes back to `self.run`, so that its allocation is reused.
        let run = std::mem::take(&mut self.run);
        for (s, height) in (start..).zip(&run) {
            let day = self.day(s);
            #[expect(clippy::cast_possible_truncation, reason = "seven digits of a height are enough")]
            let height = height.clamp(-1e30, 1e30) as f32;
            let phase = s % self.cycle;
            self.phases[phase].push(day, height);
            // `expected` looks from three jitters before a step to two after it.
            for near in phase + self.cycle - 2 * self.jitter..=phase + self.cycle + 3 * self.jitter {
                self.is_near[near % self.cycle] = true;
            }
        }
        self.run = run;
        self.forget_run();
    }

    /// Index of the day of step `s`.
    fn day(&self, s: usize) -> u32 {
        u32::try_from(s / self.cycle).unwrap_or(u32::MAX)
    }

    /// Returns the days before that of step `s` with a departure at its time.
    fn days(&self, s: usize) -> PastDays {
        self.phases[s % self.cycle].days_before(self.day(s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Learns a departure of 60 at steps `at` of days of 96 steps, on the days for which `on` holds.
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
    fn a_departure_of_many_hours_is_a_change_of_level() {
        assert!(expectations(learned(24..60, 8, |_| true)).iter().all(Option::is_none));
        assert!(RecurringDepartures::new(None).expected().is_none());
    }
}
