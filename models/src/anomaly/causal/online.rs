//! The causal detector: what it knows of a series, and when that is learned anew.

use std::collections::VecDeque;

use super::core::{Core, USUAL_WEEK};
use super::{CountDeficit, Expectation, Kind, RecurringDepartures, Scored};

use crate::Step;
use crate::seasons::SeasonDetector;
use crate::stats::{mad, mean, median};

/// Values that are seen before the first score.
const WARM: usize = 30;
/// Share of steps in which a series that mostly stands still moves often.
const OFTEN: f64 = 0.05;
/// Values that the least scale is taken from.
const LATE: usize = 2_000;
/// Values in which seasons are looked for at a time, and values that a season has at least where they are means.
const SEARCHED: usize = 8_192;
const SHORT: usize = 24;
/// A week in milliseconds, and its least length in steps, so that hourly values have no bounds for a hundred of them.
const WEEK_MS: f64 = 604_800_000.0;
const LEAST_WEEK: f64 = 500.0;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Scales that a value departs by before it counts as one that recurs: less is noise.
const NOISE: f64 = 4.0;
/// The share of the least height from which on a value is what recurs there.
const PRESENT: f64 = 0.4;
/// Share of a departure that the value expected without what recurs takes over while that may come.
const FOLLOW: f64 = 0.3;

/// How a detector is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorOptions {
    /// Season lengths in steps; `None`: found as the history grows.
    pub seasons: Option<Vec<usize>>,
    /// How far points lie apart, for the detection of days and weeks.
    pub step: Option<Step>,
    /// Probability that a minute with an ordinary value is called an anomaly by single values; longer steps hold more minutes.
    /// Where alarms turn out to be more, bounds are raised.
    pub risk: f64,
    /// Values of history that seasons and their profile are learned from.
    pub window: usize,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self { seasons: None, step: None, risk: 1e-4, window: 40_320 }
    }
}

/// A causal detector: each score depends on the values pushed so far alone. It needs no training; before it has seen
/// 60 values it scores 0.
///
/// The value expected is a seasonal profile, learned value by value, plus a level. Two levels are kept: a quick one, at the
/// pace that foretells best and with the seasons only where they help, against which single values stand out, and a slow
/// one, against which a departure that lasts does; and the mean of what departs from the slow one, against which a drift
/// does that stays inside the band of single values, in minutes too where steps are shorter. Bounds follow the tails of what
/// departs and are raised where alarms would be too many; a value far beyond all of the last weeks is told all the same, and
/// so is a series that stands still or varies far less than it ever did. The largest of the scores is given with its band
/// and its [`Kind`](crate::anomaly::Kind). What is called an anomaly teaches no more than the edge of its band, and the profile hardly
/// anything; a return to the level before it is none. The first value of an alarm has its full score, those that go on
/// just above 1.
///
/// A value costs O(1), memory is that of the history kept for the search of seasons.
///
/// ```
/// use almanac_models::anomaly::{DetectorOptions, OnlineDetector};
/// let mut detector = OnlineDetector::new(DetectorOptions::default());
/// for t in 0..500 {
///     detector.push(f64::from(t % 10) + 0.1 * f64::from(t * 7 % 5));
/// }
/// assert!(detector.push(0.1).score < 1.0);
/// assert!(detector.push(90.0).score > 1.0);
/// ```
#[derive(Debug, Clone)]
pub struct OnlineDetector {
    options: DetectorOptions,
    /// What was pushed, NaN where missing.
    history: Vec<f64>,
    pushed: usize,
    seasons: Vec<usize>,
    /// Of these, how many have enough history.
    active: usize,
    /// When seasons were last looked for, 0 never, and the least scale found.
    detected_at: usize,
    floored_at: usize,
    /// Whether the last search found what the one before had found.
    settled: bool,
    core: Core,
    floor: f64,
    frozen: bool,
    recurring: RecurringDepartures,
    /// Places in the history of values that recur, ascending, and what was expected there without them.
    recurred: VecDeque<(usize, f64)>,
    /// What was expected of the last value at which nothing recurred; NaN before the first.
    clear: f64,
    /// Outages of counts, where the hours of a day are known.
    deficit: Option<CountDeficit>,
    negative: bool,
}

impl OnlineDetector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(options: DetectorOptions) -> Self {
        let mut seasons = options.seasons.clone().unwrap_or_default();
        seasons.retain(|&m| m >= 2);
        seasons.sort_unstable();
        seasons.dedup();
        let step_ms = options.step.map(Step::millis);
        let day = step_ms.filter(|step| DAY_MS % step == 0).and_then(|step| usize::try_from(DAY_MS / step).ok());
        let mut detector = Self {
            recurring: RecurringDepartures::new(day),
            recurred: VecDeque::new(),
            clear: f64::NAN,
            deficit: step_ms.and_then(|step| CountDeficit::new(DAY_MS as f64 / step as f64)),
            negative: false,
            options,
            history: Vec::new(),
            pushed: 0,
            seasons,
            active: 0,
            detected_at: 0,
            floored_at: 0,
            settled: false,
            core: Core::new(&[], 1e-4, 1e4),
            floor: 0.0,
            frozen: false,
        };
        detector.core = detector.blank();
        detector
    }

    /// Scores the next value, then learns from it. NaN is a missing value and scores 0; an infinite one, or one beyond
    /// ±1e150, scores as far out as the largest finite score, 1e6, once the detector is warm.
    pub fn push(&mut self, value: f64) -> Scored {
        if value.is_nan() && self.history.is_empty() {
            // What is missing before the first value is no history: profiles would be fitted to nothing, and late.
            return Scored::unknown(f64::NAN);
        }
        self.pushed += 1;
        let warm = self.is_warm();
        if value.is_nan() || value.abs() > 1e150 {
            self.history.push(f64::NAN);
            let unknown = Scored::unknown(self.core.expected());
            self.core.skip();
            self.recurring.skip();
            if let Some(deficit) = &mut self.deficit {
                deficit.skip();
            }
            self.refit_if_due();
            return if value.is_nan() || !warm { unknown } else { Scored { score: Scored::LARGEST, ..unknown } };
        }
        self.negative |= value < 0.0;
        let mut scored = self.score(value, warm);
        self.history.push(value);
        if !warm {
            scored = Scored::unknown(scored.expected);
        }
        scored.score = scored.score.min(Scored::LARGEST);
        self.refit_if_due();
        scored
    }

    /// Scores a finite value by all that is known, and learns from it.
    fn score(&mut self, value: f64, warm: bool) -> Scored {
        let outlook = self.core.outlook(self.floor);
        if self.clear.is_nan() {
            self.clear = outlook.expected;
        }
        let base = self.clear;
        let height = value - base;
        let noise = NOISE * outlook.scale;
        let recurs = if warm { self.recurring.expected() } else { None };
        let recurs = recurs.filter(|recurs| PRESENT * recurs.least_size() > noise);
        let is_present = recurs
            .is_some_and(|recurs| height * recurs.height() > 0.0 && height.abs() >= PRESENT * recurs.least_size());
        let explains = recurs.filter(|recurs| recurs.contains(height) && height.abs() > noise);
        let mut scored = match explains {
            Some(recurs) => {
                // What recurs says nothing of the levels and scales of all other values.
                self.core.skip_recurring(base);
                self.recurred.push_back((self.history.len(), base));
                around(base, recurs, noise, value)
            }
            None => self.core.push(value, self.floor, !self.frozen),
        };
        let called = warm && scored.is_anomaly();
        if self.frozen {
            self.recurring.pass(is_present);
        } else {
            let departs = height.abs() > noise && (called || is_present || self.recurring.resembles(height));
            self.recurring.push(height, warm && departs && height.is_finite());
        }
        // What is expected where nothing recurs; beside that it follows ordinary values.
        if recurs.is_none() && !self.recurring.is_within() {
            self.clear = outlook.expected;
        } else if height.abs() <= noise {
            self.clear += FOLLOW * height;
        }
        if let Some(recurs) = recurs.filter(|recurs| !called && explains.is_none() && recurs.is_absent(height)) {
            scored = Scored { kind: Kind::Level, ..around(base, recurs, noise, value) };
        }
        let shortfall = self.deficit.as_mut().and_then(|deficit| deficit.push(value, !self.frozen));
        if let Some(shortfall) = shortfall.filter(|_| explains.is_none()) {
            if shortfall.score > 1.0 && !scored.is_anomaly() {
                let (expected, lower) = (shortfall.expected, shortfall.lower);
                let upper = scored.upper.max(expected);
                scored = Scored { expected, lower, upper, score: shortfall.score, kind: Kind::Drift };
            } else if shortfall.lower > scored.lower && shortfall.lower < scored.expected && value >= shortfall.lower {
                scored.lower = shortfall.lower;
            }
        }
        if !self.negative {
            // What never was below zero cannot be expected there.
            scored.expected = if scored.expected < 0.0 { 0.0 } else { scored.expected };
            scored.lower = if scored.lower < 0.0 { 0.0 } else { scored.lower };
        }
        self.core.deduplicate(scored)
    }

    /// The clocks that the series follows are set ahead by so many steps, or back where negative, before the next value:
    /// with daylight saving, what comes at eight o'clock goes on coming at eight. At most a day's steps make sense.
    pub fn set_clocks(&mut self, steps: i64) {
        for _ in 0..steps {
            self.push(f64::NAN);
        }
        if let Some(back) = steps.checked_neg().and_then(|back| usize::try_from(back).ok()).filter(|back| *back > 0) {
            // The history that seasons are sought in has the hour that comes twice once.
            self.history.truncate(self.history.len().saturating_sub(back));
            let kept = self.recurred.partition_point(|(place, _)| *place < self.history.len());
            self.recurred.truncate(kept);
            self.core.set_back(back);
            self.recurring.set_back(back);
            if let Some(deficit) = &mut self.deficit {
                deficit.set_back(back);
            }
        }
    }

    /// Whether history was looked at: without it, whatever repeats would count as a departure.
    fn is_warm(&self) -> bool {
        self.floored_at > 0 && self.core.seen() >= WARM
    }

    /// A core that knows nothing, for the seasons of which there is enough history.
    fn blank(&self) -> Core {
        let risk = self.options.risk;
        let risk = if risk > 0.0 && risk < 0.02 { risk } else { 1e-4 };
        let week = self.options.step.map_or(USUAL_WEEK, |step| WEEK_MS / step.millis() as f64);
        Core::new(&self.seasons[..self.active], risk, week.max(LEAST_WEEK))
    }

    /// Learns no more from now on: seasons, profile and bounds stay as the values so far make them, and only the levels
    /// and the number of drifts, which bounds those, go on following.
    pub fn freeze(&mut self) {
        if self.pushed >= 2 * WARM && !self.frozen {
            self.detected_at = 0;
            self.refit();
        }
        self.frozen = true;
    }

    fn refit_if_due(&mut self) {
        if self.frozen || self.pushed < 2 * WARM {
            return;
        }
        let floor = self.pushed - self.floored_at >= (self.floored_at / 4).clamp(WARM, LATE);
        let waits = self.active < self.seasons.len();
        if floor || self.is_search_due() || (waits && self.enough() != self.active) {
            self.refit();
        }
    }

    fn is_search_due(&self) -> bool {
        let every = (self.detected_at / 2).clamp(2 * WARM, self.options.window.max(LATE));
        // Searches cost more than all scores between them: they wait while nothing changes.
        let every = if self.settled && self.detected_at >= LATE { 2 * every } else { every };
        self.options.seasons.is_none() && self.pushed >= self.detected_at + every
    }

    /// Seasons, from the shortest on, that the history holds twice.
    fn enough(&self) -> usize {
        self.seasons.partition_point(|&m| self.pushed >= 2 * m)
    }

    fn refit(&mut self) {
        let first = self.floored_at == 0;
        self.floored_at = self.pushed;
        let longest = self.seasons.last().copied().unwrap_or(0);
        let window = self.options.window.max(4 * longest).max(64);
        if self.history.len() > 2 * window {
            let left = self.history.len() - window;
            self.history.drain(..left);
            self.recurred.drain(..self.recurred.partition_point(|(place, _)| *place < left));
            self.recurred.iter_mut().for_each(|(place, _)| *place -= left);
        }
        self.floor = least_scale(&self.history[self.history.len().saturating_sub(LATE)..]);
        let mut changed = first;
        if self.is_search_due() {
            self.detected_at = self.pushed;
            let found = self.search(window);
            self.settled = found == self.seasons;
            changed |= !self.settled;
            self.seasons = found;
        }
        let enough = self.enough();
        changed |= enough != self.active;
        if changed {
            self.active = enough;
            self.core = self.blank();
            let from = self.history.len().saturating_sub(window);
            let left_out = self.recurred.iter().filter_map(|(place, base)| Some((place.checked_sub(from)?, *base)));
            self.core.replay(&self.history[from..], left_out, self.floor);
        }
    }

    /// The seasons of the last `window` values: short ones in the latest part, long ones in means over some values.
    fn search(&self, window: usize) -> Vec<usize> {
        let history = &self.history[self.history.len().saturating_sub(window)..];
        let detect = |values: &[f64], factor: usize| -> Vec<usize> {
            let detector = SeasonDetector::default();
            let step = self.options.step.and_then(|step| Step::from_millis(step.millis() * factor as i64).ok());
            let detector = step.map_or(detector.clone(), |step| detector.with_step(step));
            detector.detect(values).iter().map(|season| season.period * factor).collect()
        };
        let factor = history.len().div_ceil(SEARCHED);
        if factor <= 1 {
            return detect(history, 1);
        }
        let border = SHORT * factor;
        let mut found = detect(&history[history.len() - SEARCHED..], 1);
        found.retain(|&m| m < border);
        let means: Vec<f64> = history.chunks(factor).map(|block| mean(block).unwrap_or(f64::NAN)).collect();
        found.extend(detect(&means, factor).into_iter().filter(|&m| m >= border));
        found
    }

    /// Seasons in use, in steps, shortest first.
    #[must_use]
    pub fn seasons(&self) -> &[usize] {
        &self.seasons
    }
}

/// A value against what recurs above `base`; `noise`: how far ordinary values lie from it.
fn around(base: f64, recurs: Expectation, noise: f64, value: f64) -> Scored {
    let [least, most] = recurs.range();
    let (lower, upper) = if recurs.is_certain() {
        (base + least, base + most)
    } else {
        (base + least.min(-noise), base + most.max(noise))
    };
    let expected = (base + recurs.height()).clamp(lower, upper);
    Scored { lower, upper, ..Scored::unknown(expected) }.for_value(value)
}

/// The least scale of departures that a series of late gives reason for.
fn least_scale(late: &[f64]) -> f64 {
    let scale = 1e-3 * mad(late).unwrap_or(0.0);
    if scale > 0.0 {
        return scale;
    }
    // At one value for more than half of the time. Where it leaves that often, as a queue that is mostly empty, how far
    // it goes at a time is ordinary; where it hardly ever does, the smallest change that is more than rounding counts.
    let steps = late.windows(2).map(|pair| (pair[1] - pair[0]).abs()).filter(|step| step.is_finite());
    let moves: Vec<f64> = steps.filter(|step| *step > 0.0).collect();
    let least = 1e-6 * late.iter().filter(|v| v.is_finite()).fold(0.0f64, |a, v| a.max(v.abs()));
    match median(&moves) {
        Some(usual) if moves.len() as f64 >= OFTEN * late.len() as f64 => least.max(0.5 * usual),
        _ => least,
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    use super::*;

    fn daily(t: usize) -> f64 {
        100.0 + 50.0 * (t as f64 / 48.0 * std::f64::consts::TAU).sin() + ((t * 7_919) % 13) as f64
    }

    fn scores(y: impl Iterator<Item = f64>) -> Vec<Scored> {
        let mut detector = OnlineDetector::new(DetectorOptions::default());
        y.map(|v| detector.push(v)).collect()
    }

    #[test]
    fn spikes_and_shifts_stand_out_and_little_else() {
        let spoiled = |t: usize| match t {
            1_500 => daily(t) + 120.0,
            2_000..2_030 => daily(t) - 80.0,
            _ => daily(t),
        };
        let scored = scores((0..3_000).map(spoiled));
        assert!(scored[1_500].score > 1.0, "{:?}", scored[1_500]);
        assert!(scored[2_000..2_030].iter().any(|s| s.score > 1.0));
        let false_alarms = (0..3_000).filter(|t| !(1_500..1_510).contains(t) && !(2_000..2_060).contains(t));
        let called: Vec<usize> = false_alarms.filter(|&t| scored[t].score > 1.0).collect();
        assert!(called.len() <= 3, "{called:?}");
    }

    #[test]
    fn the_return_from_an_incident_is_no_second_one() {
        let incident = |t: usize| (1_500..1_515).contains(&t) || (2_700..2_715).contains(&t);
        let scored = scores((0..4_000).map(|t| if incident(t) { daily(t) + 150.0 } else { daily(t) }));
        for start in [1_500, 2_700] {
            assert!(scored[start].score > 1.0, "{:?}", scored[start]);
            let after = (start + 15..start + 120).filter(|&t| scored[t].score > 1.0).count();
            assert_eq!(after, 0, "after {start}");
            // nor is its absence called a day later, since the profile did not learn it
            let echo = (start + 48..start + 63).filter(|&t| scored[t].score > 1.0).count();
            assert_eq!(echo, 0, "a day after {start}");
        }
    }

    #[test]
    fn a_drift_inside_the_band_is_found_and_a_small_step_is_soon_ordinary() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let noise: Vec<f64> = (0..4_000).map(|_| rng.sample(StandardNormal)).collect();
        let called = |extra: &dyn Fn(usize) -> f64| -> Vec<usize> {
            let scored = scores((0..4_000).map(|t| noise[t] + extra(t)));
            (0..4_000).filter(|&t| scored[t].score > 1.0).collect()
        };
        let leak = called(&|t| if (3_000..3_020).contains(&t) { 0.7 * ((t - 2_999) as f64).min(5.0) } else { 0.0 });
        assert!(leak.iter().any(|t| (3_000..3_020).contains(t)), "{leak:?}");
        assert!(leak.iter().filter(|t| !(3_000..3_030).contains(*t)).count() <= 4, "{leak:?}");
        let step = called(&|t| if t < 3_000 { 0.0 } else { 2.0 });
        assert!(step.iter().filter(|t| !(3_000..3_030).contains(*t)).count() <= 4, "{step:?}");
    }

    #[test]
    fn the_future_does_not_reach_back() {
        let a = scores((0..900).map(daily));
        let b = scores((0..900).map(|t| if t < 700 { daily(t) } else { -1e6 }));
        for t in 0..700 {
            assert_eq!(a[t].score.to_bits(), b[t].score.to_bits(), "step {t}");
        }
    }

    #[test]
    fn the_band_agrees_with_the_score() {
        for (t, s) in scores((0..2_000).map(|t| if t % 400 == 399 { 500.0 } else { daily(t) })).iter().enumerate() {
            let value = if t % 400 == 399 { 500.0 } else { daily(t) };
            if s.score > 0.0 && s.lower.is_finite() && (s.score - 1.0).abs() > 1e-9 {
                assert_eq!(s.score > 1.0, value < s.lower || value > s.upper, "step {t}: {s:?}");
            }
        }
    }

    #[test]
    fn a_new_regime_is_taken_for_ordinary_in_the_end() {
        for (before, after) in [(0.0, 100.0), (7.0, 7.5), (1e12, 1.0)] {
            let scored = scores((0..2_000).map(|t| if t < 1_000 { before } else { after }));
            assert!(scored[1_000].score > 1.0, "{before} → {after}: {:?}", scored[1_000]);
            assert!(scored[1_900].score <= 1.0, "{before} → {after}: {:?}", scored[1_900]);
        }
    }

    #[test]
    fn what_is_missing_before_the_first_value_changes_nothing() {
        let late = scores((0..40_000).map(|_| f64::NAN).chain((0..900).map(daily)));
        let early = scores((0..900).map(daily));
        for (t, (a, b)) in late[40_000..].iter().zip(&early).enumerate() {
            assert_eq!((a.score.to_bits(), a.upper.to_bits()), (b.score.to_bits(), b.upper.to_bits()), "step {t}");
        }
    }

    /// Its band was ±0.0001, and every second burst an anomaly of tens of thousands.
    #[test]
    fn a_queue_that_is_mostly_empty_may_fill_a_little() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let mut queue = 0.0_f64;
        let depth: Vec<f64> = (0..3_000)
            .map(|t| {
                let arrived = if rng.random_bool(0.1) { f64::from(rng.random_range(1..5)) } else { 0.0 };
                queue = (queue + arrived - 1.0).max(0.0);
                if (2_500..2_510).contains(&t) { queue + 60.0 } else { queue }
            })
            .collect();
        let scored = scores(depth.iter().copied());
        let called = (0..2_500).filter(|&t| scored[t].score > 1.0).count();
        assert!(called <= 25, "{called} of 2,500");
        assert!((2_500..2_510).any(|t| scored[t].score > 1.0));
        // A flag that falls once in a while stands out every time.
        let flag = scores((0..3_000).map(|t| if t % 700 == 699 { 0.0 } else { 1.0 }));
        assert!([1_399, 2_099, 2_799].iter().all(|&t| flag[t].score > 1.0));
    }

    /// A morning that comes at eight by clocks that are set ahead, and later back, by an hour.
    #[test]
    fn set_clocks_keep_the_morning_where_it_is() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let mut called = [0, 0];
        for (follows, called) in [true, false].into_iter().zip(&mut called) {
            let mut detector = OnlineDetector::new(DetectorOptions { seasons: Some(vec![96]), ..Default::default() });
            let mut ahead = 0;
            for t in 0..96 * 40 {
                let set = if t == 96 * 20 + 8 {
                    4
                } else if t == 96 * 30 + 8 {
                    -4
                } else {
                    0
                };
                ahead += set;
                if follows && set != 0 {
                    detector.set_clocks(set);
                }
                let busy = if (32..72).contains(&((t + ahead) % 96)) { 100.0 } else { 10.0 };
                let scored = detector.push(busy + rng.sample::<f64, _>(StandardNormal));
                *called += u32::from(t > 96 * 20 && scored.is_anomaly());
            }
        }
        assert!(4 * called[0] < called[1], "{called:?}");
    }

    /// Shapes besides spikes: a season that is lost, a variance that grows or shrinks, a series that is stuck, one that drifts
    /// away.
    #[test]
    fn shapes_stand_out_too() {
        let (day, odd, n) = (96, 96 * 28, 96 * 30);
        let value = |shape: &str, t: usize, season: f64, noise: f64| match shape {
            "lost season" => 100.0 + 2.0 * noise,
            "variance" => 100.0 + season + 10.0 * noise,
            "calm" => 100.0 + season + 0.2 * noise,
            "stuck" => 104.25,
            "drift" => 100.0 + season + 2.0 * noise + 0.15 * (t - odd) as f64,
            _ => 100.0 + season + 2.0 * noise,
        };
        for name in ["lost season", "variance", "calm", "stuck", "drift", "nothing"] {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(6);
            let step = Step::from_millis(900_000).ok();
            let options = DetectorOptions { seasons: Some(vec![day]), step, ..Default::default() };
            let mut detector = OnlineDetector::new(options);
            let (mut before, mut within) = (0, 0);
            for t in 0..n {
                let season = 30.0 * (t as f64 / day as f64 * std::f64::consts::TAU).sin();
                let shape = if t < odd { "nothing" } else { name };
                let called = detector.push(value(shape, t, season, rng.sample(StandardNormal)));
                if called.is_anomaly() && t > 96 * 7 {
                    if t < odd { before += 1 } else { within += 1 }
                }
            }
            let found = within > 0;
            assert_eq!(found, name != "nothing", "{name}: {within} within, {before} before");
            assert!(before <= 4, "{name}: {before} of three quiet weeks");
        }
    }

    #[test]
    fn frozen_bounds_stay() {
        let mut detector = OnlineDetector::new(DetectorOptions::default());
        for t in 0..1_000 {
            detector.push(daily(t));
        }
        detector.freeze();
        let seasons = detector.seasons().to_vec();
        for t in 1_000..3_000 {
            detector.push(50.0 + (t % 7) as f64);
        }
        assert_eq!(detector.seasons(), seasons);
    }
}
