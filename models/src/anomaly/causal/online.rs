//! The causal detector, which the engine and the replays feed value by value: keeps the history, looks for seasons, and
//! refits the core when seasons change. Applies recurring departures and outages of counts on top of the core's score.

use std::collections::VecDeque;

use super::core::{Core, USUAL_WEEK};
use super::{CountDeficit, Expectation, Kind, RecurringDepartures, Scored};

use crate::Step;
use crate::seasons::SeasonDetector;
use crate::stats::{mad, mean, median};

/// Smallest number of values in the core before the first score; the first refit is after twice as many.
const WARM: usize = 30;
/// Share of changing steps from which on a mostly constant series changes often.
const OFTEN: f64 = 0.05;
/// Number of last values that the smallest scale is estimated from.
const LATE: usize = 2_000;
/// Largest number of values per search of seasons, and smallest length, in block means, of a season found in them.
const SEARCHED: usize = 8_192;
const SHORT: usize = 24;
/// A week in milliseconds, and its smallest length in steps, so that tails of hourly values have enough values.
const WEEK_MS: f64 = 604_800_000.0;
const LEAST_WEEK: f64 = 500.0;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Smallest recurring departure, in scales; less is noise.
const NOISE: f64 = 4.0;
/// Share of the smallest height from which on the recurring departure is present.
const PRESENT: f64 = 0.4;
/// Smoothing factor of the baseline while a recurring departure may occur.
const FOLLOW: f64 = 0.3;

/// Options of a detector.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorOptions {
    /// Season lengths in steps; `None`: detected as the history grows.
    pub seasons: Option<Vec<usize>>,
    /// Distance between points, for the detection of days and weeks.
    pub step: Option<Step>,
    /// Probability that an ordinary value is called an anomaly, per minute; longer steps contain more minutes. Bounds
    /// are raised where alarms are more frequent.
    pub risk: f64,
    /// Number of last values that seasons and their profile are learned from.
    pub window: usize,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self { seasons: None, step: None, risk: 1e-4, window: 40_320 }
    }
}

/// A causal detector: each score depends only on the values pushed so far. It needs no training and scores 0 for the
/// first 60 values.
///
/// The expected value is a seasonal profile, learned value by value, plus a level. Several parts score each value:
///
/// - the quick level, with the smoothing factor that predicts best and with the seasons only where they help: single
///   values;
/// - the slow level: persistent departures;
/// - the mean of departures from the slow level: drifts inside the band of single values, over minutes too where steps
///   are shorter;
/// - the range of the last weeks: values far beyond it;
/// - flat lines, and variance far below its minimum so far.
///
/// Bounds follow the tails of departures and are raised where alarms would be too frequent. The result is the largest
/// score with its band and its [`Kind`](crate::anomaly::Kind). The detector learns an anomaly only up to the edge of
/// its band, and the profile learns almost nothing of it. A return to the level before an anomaly is ordinary. The
/// first value of an alarm has its full score; later ones score just above 1.
///
/// A value costs O(1) time; memory is that of the history kept for the search of seasons.
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
    /// Pushed values, NaN where missing.
    history: Vec<f64>,
    pushed: usize,
    seasons: Vec<usize>,
    /// Number of `seasons`, from the shortest, with enough history.
    active: usize,
    /// Value counts at the last search of seasons and at the last estimate of the smallest scale; 0 for never.
    detected_at: usize,
    floored_at: usize,
    /// Whether the last search confirmed the seasons.
    settled: bool,
    core: Core,
    /// Smallest scale of departures.
    floor: f64,
    frozen: bool,
    recurring: RecurringDepartures,
    /// History indices of recurring departures, ascending, with the value expected there without them.
    recurred: VecDeque<(usize, f64)>,
    /// Baseline: the expected value where nothing recurs; NaN before the first.
    clear: f64,
    /// Outages of counts; `None` for steps that are unknown or above a quarter of a day.
    deficit: Option<CountDeficit>,
    /// Whether any value was below 0.
    negative: bool,
}

impl OnlineDetector {
    /// Returns a detector without history.
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

    /// Scores the next value, then learns from it. NaN is a missing value and scores 0. An infinite value, or one
    /// beyond ±1e150, has the largest score, 1e6, once the detector is warm.
    pub fn push(&mut self, value: f64) -> Scored {
        if value.is_nan() && self.history.is_empty() {
            // Gaps before the first value are not history: they would delay the first fit and leave it without values.
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

    /// Scores a finite value by the core, recurring departures and outages of counts, and learns from it.
    fn score(&mut self, value: f64, warm: bool) -> Scored {
        let outlook = self.core.outlook(self.floor);
        if self.clear.is_nan() {
            self.clear = outlook.expected;
        }
        let base = self.clear;
        let height = value - base;
        let noise = NOISE * outlook.scale;
        // Recurring departures within the noise are ignored.
        let recurs = if warm { self.recurring.expected() } else { None };
        let recurs = recurs.filter(|recurs| PRESENT * recurs.least_size() > noise);
        let is_present = recurs
            .is_some_and(|recurs| height * recurs.height() > 0.0 && height.abs() >= PRESENT * recurs.least_size());
        let explains = recurs.filter(|recurs| recurs.contains(height) && height.abs() > noise);
        let mut scored = match explains {
            Some(recurs) => {
                // A recurring departure does not change levels and scales of the other values.
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
        // The baseline is the core's expectation where nothing recurs; elsewhere it follows ordinary values.
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
            // A series without negative values is never expected below 0.
            scored.expected = if scored.expected < 0.0 { 0.0 } else { scored.expected };
            scored.lower = if scored.lower < 0.0 { 0.0 } else { scored.lower };
        }
        self.core.deduplicate(scored)
    }

    /// Sets the local clock of the series ahead by `steps` before the next value, or back where negative, so that a
    /// pattern at eight o'clock stays at eight across daylight saving. `steps`: at most those of a day.
    pub fn set_clocks(&mut self, steps: i64) {
        for _ in 0..steps {
            self.push(f64::NAN);
        }
        if let Some(back) = steps.checked_neg().and_then(|back| usize::try_from(back).ok()).filter(|back| *back > 0) {
            // The repeated hour remains only once in the history for the search of seasons.
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

    /// Whether the smallest scale is estimated and the core has enough values; before, any repetition would be a
    /// departure.
    fn is_warm(&self) -> bool {
        self.floored_at > 0 && self.core.seen() >= WARM
    }

    /// Returns an unfitted core for the seasons with enough history.
    fn blank(&self) -> Core {
        let risk = self.options.risk;
        let risk = if risk > 0.0 && risk < 0.02 { risk } else { 1e-4 };
        let week = self.options.step.map_or(USUAL_WEEK, |step| WEEK_MS / step.millis() as f64);
        Core::new(&self.seasons[..self.active], risk, week.max(LEAST_WEEK))
    }

    /// Stops learning: seasons, profile and bounds stay as they are after a last refit. Only the levels, and the number
    /// of drifts that raises their bound, still follow the values.
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
        // A search costs more than all scores since the last one: it is postponed while nothing changes.
        let every = if self.settled && self.detected_at >= LATE { 2 * every } else { every };
        self.options.seasons.is_none() && self.pushed >= self.detected_at + every
    }

    /// Returns the number of seasons, from the shortest on, that fit twice into the history.
    fn enough(&self) -> usize {
        self.seasons.partition_point(|&m| self.pushed >= 2 * m)
    }

    fn refit(&mut self) {
        // The history is cut only at twice its window, so that the cost is amortised.
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

    /// Searches the last `window` values: short seasons in the latest part, long ones in block means.
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

    /// Detected or given seasons in steps, ascending.
    #[must_use]
    pub fn seasons(&self) -> &[usize] {
        &self.seasons
    }
}

/// Scores a value against a recurring departure from `base`; `noise`: largest ordinary departure.
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

/// Returns the smallest plausible scale of departures for the `late` values.
fn least_scale(late: &[f64]) -> f64 {
    let scale = 1e-3 * mad(late).unwrap_or(0.0);
    if scale > 0.0 {
        return scale;
    }
    // The series has one value for more than half of the time. If it changes often, as a mostly empty queue does, half
    // of its median change is ordinary; if it hardly ever changes, every change above rounding is a departure.
    let steps = late.windows(2).map(|pair| (pair[1] - pair[0]).abs()).filter(|step| step.is_finite());
    let moves: Vec<f64> = steps.filter(|step| *step > 0.0).collect();
    let least = 1e-6 * late.iter().filter(|v| v.is_finite()).fold(0.0f64, |a, v| a.max(v.abs()));
    match median(&moves) {
        Some(usual) if moves.len() as f64 >= OFTEN * late.len() as f64 => least.max(0.5 * usual),
        _ => least,
    }
}
