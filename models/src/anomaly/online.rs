use super::Scored;
use super::channel::Channel;
use super::drift::Drift;
use crate::Step;
use crate::forecast::FittedProfile;
use crate::forecast::SeasonalProfile;
use crate::seasons::SeasonDetector;
use crate::stats::{mad, median};

/// Values that are seen before the first score.
const WARM: usize = 30;
/// Departures a side that the tail is fitted to.
const KEPT: usize = 4_096;
/// Share of steps in which a series that mostly stands still moves often.
const OFTEN: f64 = 0.05;
/// Scales that an anomaly departs by in the history that profiles are fitted to: as an ordinary value may.
const TAUGHT: f64 = 1.0;

/// How a detector is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorOptions {
    /// Season lengths in steps; `None`: found as the history grows.
    pub seasons: Option<Vec<usize>>,
    /// How far points lie apart, for the detection of days and weeks.
    pub step: Option<Step>,
    /// Probability that an ordinary value is called an anomaly.
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
/// The value expected is a seasonal profile, learned again as the history grows, plus a level. Two levels are kept: a
/// quick one, against which single values stand out, and a slow one, against which a departure that lasts does; and the
/// mean of what departs from the slow one, against which a drift does that stays inside the band of single values. The
/// largest of the scores is given with its band. What is called an anomaly teaches no more than the edge of its band, and
/// the profile hardly anything; a return to the level before it is none.
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
    /// What was pushed, held to its band where it was an anomaly, NaN where missing.
    history: Vec<f64>,
    pushed: usize,
    seasons: Vec<usize>,
    detected_at: usize,
    fitted_at: usize,
    profile: Option<(FittedProfile, Space)>,
    quick: Channel,
    slow: Channel,
    drift: Drift,
    floor: f64,
    frozen: bool,
}

/// Where the profile's phases start and the scale it was fitted on.
#[derive(Debug, Clone, Copy)]
struct Space {
    start: usize,
    centre: f64,
    spread: f64,
}

impl OnlineDetector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(options: DetectorOptions) -> Self {
        let risk = if options.risk > 0.0 && options.risk < 0.02 { options.risk } else { 1e-4 };
        let mut seasons = options.seasons.clone().unwrap_or_default();
        seasons.retain(|&m| m >= 2);
        seasons.sort_unstable();
        seasons.dedup();
        Self {
            options,
            history: Vec::new(),
            pushed: 0,
            seasons,
            detected_at: 0,
            fitted_at: 0,
            profile: None,
            quick: Channel::new(0.3, 500.0, 30, KEPT, 0.25 * risk),
            slow: Channel::new(0.01, 2_000.0, 200, KEPT, 0.25 * risk),
            drift: Drift::new(KEPT, 0.25 * risk),
            floor: 0.0,
            frozen: false,
        }
    }

    /// Scores the next value, then learns from it. NaN is a missing value and scores 0; an infinite one, or one beyond
    /// ±1e150, scores as far out as the largest finite score, 1e6, once the detector is warm.
    pub fn push(&mut self, value: f64) -> Scored {
        if value.is_nan() && self.history.is_empty() {
            // What is missing before the first value is no history: profiles would be fitted to nothing, and late.
            return Scored { expected: f64::NAN, lower: f64::NAN, upper: f64::NAN, score: 0.0 };
        }
        let t = self.pushed;
        self.pushed += 1;
        let base = self.base(t);
        if value.is_nan() || value.abs() > 1e150 {
            self.history.push(f64::NAN);
            let score = if value.is_nan() || !self.is_warm() { 0.0 } else { Scored::LARGEST };
            let expected = self.quick.expected(base);
            return Scored { expected, lower: f64::NAN, upper: f64::NAN, score };
        }
        let warm = self.is_warm();
        let (mut scored, slow) = self.score(value, base, !self.frozen);
        let taught = if warm { self.taught(value, &scored, &slow) } else { value };
        self.history.push(taught);
        if !warm {
            scored = Scored { expected: scored.expected, lower: f64::NAN, upper: f64::NAN, score: 0.0 };
        }
        scored.score = scored.score.min(Scored::LARGEST);
        self.refit_if_due();
        scored
    }

    /// The worst that the channels say, and what the slow one says; all learn from it.
    fn score(&mut self, value: f64, base: f64, open: bool) -> (Scored, Scored) {
        let floor = self.floor;
        let scale = self.slow.scale(floor);
        let quick = self.quick.push(value, base, floor, open);
        let slow = self.slow.push(value, base, floor, open);
        let mut worst = if slow.score > quick.score { slow } else { quick };
        let drift = self.drift.push((value - slow.expected) / scale, worst.score > 1.0, open);
        if drift.score > worst.score {
            worst = Scored {
                expected: slow.expected,
                lower: slow.lower.max(slow.expected + scale * drift.lower),
                upper: slow.upper.min(slow.expected + scale * drift.upper),
                score: drift.score,
            };
        }
        (worst, slow)
    }

    /// What the profile learns of a value. An incident must not stand in the profile a day or a week later, where its
    /// absence would be called; where anomalies are many, they teach up to the edge of the slow band.
    fn taught(&self, value: f64, scored: &Scored, slow: &Scored) -> f64 {
        let held = value.clamp(slow.lower, slow.upper);
        if scored.score <= 1.0 || self.quick.is_crowded() || self.slow.is_crowded() {
            return held;
        }
        let most = TAUGHT * self.slow.scale(self.floor);
        held.clamp(slow.expected - most, slow.expected + most)
    }

    /// Whether a profile was fitted: without one, whatever repeats would count as a departure.
    fn is_warm(&self) -> bool {
        self.fitted_at > 0 && self.quick.seen() >= WARM
    }

    fn base(&self, t: usize) -> f64 {
        self.profile.as_ref().map_or(0.0, |(profile, space)| profile.at(t - space.start) * space.spread + space.centre)
    }

    fn refit_if_due(&mut self) {
        let longest = self.seasons.last().copied().unwrap_or(0);
        let every = (self.fitted_at / 4).clamp(WARM, (longest / 7).max(1_000));
        if self.frozen || self.pushed < 2 * WARM || self.pushed - self.fitted_at < every {
            return;
        }
        self.refit(longest);
    }

    /// Learns no more from now on: seasons, profile and bounds stay as the values so far make them, and only the levels
    /// and the number of drifts, which bounds those, go on following.
    pub fn freeze(&mut self) {
        if self.pushed >= 2 * WARM {
            self.detected_at = 0;
            self.refit(self.seasons.last().copied().unwrap_or(0));
        }
        self.frozen = true;
    }

    fn refit(&mut self, longest: usize) {
        let first = self.fitted_at == 0;
        self.fitted_at = self.pushed;
        let window = self.options.window.max(4 * longest).max(64);
        if self.history.len() > window {
            self.history.drain(..self.history.len() - window);
        }
        self.floor = least_scale(&self.history[self.history.len().saturating_sub(2_000)..]);
        let mut changed = first;
        if self.options.seasons.is_none() && self.pushed >= self.detected_at + (self.detected_at / 2).max(60) {
            self.detected_at = self.pushed;
            let detector = SeasonDetector::default();
            let detector = match self.options.step {
                Some(step) => detector.with_step(step),
                None => detector,
            };
            let found: Vec<usize> = detector.detect(&self.history).iter().map(|s| s.period).collect();
            changed |= found != self.seasons;
            self.seasons = found;
        }
        let start = self.pushed - self.history.len();
        let old = self.base(self.pushed);
        self.profile = fit_profile(&self.history, &self.seasons, start);
        let new = self.base(self.pushed);
        self.quick.rebase(old, new);
        self.slow.rebase(old, new);
        if let Some((profile, _)) = &self.profile {
            self.quick.alpha = profile.alpha().clamp(0.05, 0.9);
        }
        let season = self.seasons.first().copied().unwrap_or(200) as f64;
        self.slow.alpha = (1.0 / season).clamp(5e-4, 0.05);
        // Later the tails forget by themselves, and departures from a profile fitted to the same values are too small.
        if changed && self.pushed < KEPT {
            self.relearn(start);
        }
    }

    /// Learns levels, scales and tails again from the history, since they were those of a profile with other seasons.
    fn relearn(&mut self, start: usize) {
        self.quick.forget();
        self.slow.forget();
        self.drift.forget();
        for i in 0..self.history.len() {
            let value = self.history[i];
            if value.is_finite() {
                let base = self.base((start + i).max(self.profile.as_ref().map_or(0, |(_, space)| space.start)));
                self.score(value, base, true);
            }
        }
    }

    /// Seasons in use, in steps, shortest first.
    #[must_use]
    pub fn seasons(&self) -> &[usize] {
        &self.seasons
    }
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

fn fit_profile(history: &[f64], seasons: &[usize], start: usize) -> Option<(FittedProfile, Space)> {
    let first = history.iter().position(|v| v.is_finite())?;
    let filled = crate::forecast::fill_gaps(&history[first..], seasons);
    let n = filled.len() as f64;
    let centre = filled.iter().sum::<f64>() / n;
    let spread = (filled.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / n).sqrt();
    if !(spread > 0.0 && spread.is_finite()) {
        return None;
    }
    let z: Vec<f64> = filled.iter().map(|v| (v - centre) / spread).collect();
    let seasons: Vec<usize> = seasons.iter().copied().filter(|&m| z.len() >= 2 * m).collect();
    let profile = SeasonalProfile { seasons, keep: 0.9, shrink: 0.5 }.fit(&z, 1);
    Some((profile, Space { start: start + first, centre, spread }))
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
