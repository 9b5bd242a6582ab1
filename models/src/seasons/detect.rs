//! Finds seasons: candidate periods from the autocorrelation and the calendar, tested by folding. Called before each
//! fit.

use serde::{Deserialize, Serialize};

use super::autocorrelation::{Correlator, peaks, refine};
use super::fold::{common_share, detrend, held, remove, repeat};
use crate::Step;
use crate::stats::quantile;

/// Maximum number of values in one pass. Longer series are averaged down to it for long periods and cut to their end
/// for short ones.
const PASS: usize = 65_536;
/// Minimum number of finite values.
const MIN_POINTS: usize = 16;
/// Minimum share of the variance that must repeat, and number of standard deviations above chance that is added.
const LEAST_SHARE: f64 = 0.1;
const DEVIATIONS: f64 = 3.5;
/// Standard deviations for hours, days and weeks, which are not searched for.
const CALENDAR_DEVIATIONS: f64 = 2.0;
/// A short season is a harmonic of a much longer one if less than this share of the longer one's power repeats with the
/// short one: a pattern on two days of the week shares 2/7 with the day, on three days 3/7.
const HARMONIC: f64 = 0.35;
/// Share of the power of a multiple above which an hour, day or week replaces the multiple.
const MOSTLY: f64 = 0.8;
/// Minimum number of cycles for a searched period and for one of the calendar.
const CYCLES: f64 = 3.0;
const CALENDAR_CYCLES: f64 = 2.0;
/// Hour, day and week in milliseconds.
const CALENDAR_MS: [f64; 3] = [3_600_000.0, 86_400_000.0, 604_800_000.0];
/// Usual lengths of timers and schedules in seconds. A few noisy cycles leave a period uncertain by one or two steps
/// (seven cycles of 120 steps were found as 119 and 121). A length within the share `ROUND_NEAR` of a found period
/// replaces it if it explains at least `ROUND_SHARE` of what the period explains.
const ROUND_SECONDS: [f64; 18] = [
    10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_200.0, 1_800.0, 7_200.0, 10_800.0, 14_400.0, 21_600.0,
    28_800.0, 43_200.0, 172_800.0,
];
const ROUND_NEAR: f64 = 0.015;
const ROUND_SHARE: f64 = 0.97;

/// A detected season.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Season {
    /// Length in steps of the series.
    pub period: usize,
    /// Share of the variance that repeats with this period, in [0, 1]. Slower movement and shorter seasons are removed
    /// first.
    pub strength: f64,
}

/// Finds the seasons of an evenly spaced series.
///
/// Candidates are the peaks of the autocorrelation at several degrees of detrending, and hours, days and weeks if the
/// step is known. Each is tested by folding: the variance that cycles have in common must be significant. A period
/// replaces its half, third or quarter if that was accepted first (a harmonic). A longer multiple is accepted only for
/// a pattern that remains after the shorter one is removed, such as weeks over days.
///
/// ```
/// use almanac_models::seasons::SeasonDetector;
/// let y: Vec<f64> = (0..600).map(|t| f64::from(t) * 0.01 + (f64::from(t) / 30.0 * std::f64::consts::TAU).sin()).collect();
/// let seasons = SeasonDetector::default().detect(&y);
/// assert_eq!(seasons.iter().map(|s| s.period).collect::<Vec<_>>(), vec![30]);
/// ```
///
/// # Reference
/// Vlachos, Yu & Castelli (2005), On periodicity detection and structural periodic similarity. Deviates: candidates are
/// confirmed by folding, since a periodogram cannot resolve a week in two weeks of data.
#[derive(Debug, Clone)]
pub struct SeasonDetector {
    max_period: usize,
    step: Option<Step>,
}

impl Default for SeasonDetector {
    fn default() -> Self {
        Self { max_period: usize::MAX, step: None }
    }
}

impl SeasonDetector {
    /// Limits periods to `max_period` steps (default: a third of the series; half of it for an hour, day or week).
    #[must_use]
    pub fn with_max_period(mut self, max_period: usize) -> Self {
        self.max_period = max_period;
        self
    }

    /// Sets the distance between points, so that hours, days and weeks are recognised exactly.
    #[must_use]
    pub fn with_step(mut self, step: Step) -> Self {
        self.step = Some(step);
        self
    }

    /// Returns the seasons of `y`, shortest first; NaN and infinite values are gaps. Empty when nothing repeats or `y`
    /// is too short.
    #[must_use]
    pub fn detect(&self, y: &[f64]) -> Vec<Season> {
        let factor = y.len().div_ceil(PASS);
        if factor <= 1 {
            return self.pass(y, 1, 4);
        }
        let mut out = self.pass(&y[y.len() - PASS..], 1, 4);
        // The averaged pass finds only periods of at least 24 averages; shorter ones come from the first pass.
        let border = 24 * factor;
        out.retain(|s| s.period < border);
        let coarse: Vec<f64> = y
            .chunks(factor)
            .map(|block| block.iter().filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0)))
            .map(|(sum, n)| if n > 0.0 { sum / n } else { f64::NAN })
            .collect();
        out.extend(self.pass(&coarse, factor, 24));
        out
    }

    /// Finds the seasons of `y`, of which each value is the mean of `factor` steps, with periods of at least `least`
    /// values.
    fn pass(&self, y: &[f64], factor: usize, least: usize) -> Vec<Season> {
        let Some(x) = clean(y) else { return Vec::new() };
        let n = x.len() as f64;
        let longest = (n / CALENDAR_CYCLES).min(self.max_period as f64 / factor as f64);
        let mut candidates = self.calendar(factor, least as f64, longest);
        let known = candidates.len();
        let correlator = Correlator::new(x.len());
        // Detrending over a shorter width exposes shorter periods; a width finds periods up to its own length.
        for part in [2.0, 8.0, 32.0] {
            let width = n / part;
            if width < 8.0 {
                break;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the length")]
            let max_lag = ((n / 2.0) as usize).min(x.len());
            let acf = correlator.autocorrelation(&held(&x, width), max_lag);
            for lag in
                peaks(&acf, least, x.len()).into_iter().filter(|&lag| lag as f64 <= (width * 1.2).min(n / CYCLES))
            {
                let period = self.rounded(&x, refine(&acf, lag), factor);
                let new = period <= longest
                    && !candidates.iter().enumerate().any(|(i, c)| {
                        let near = if i < known { 0.03 } else { 0.01 };
                        (c - period).abs() <= (near * c).max(0.6)
                    });
                if new {
                    candidates.push(period);
                }
            }
        }
        let known: Vec<f64> = candidates[..known].to_vec();
        candidates.sort_unstable_by(f64::total_cmp);
        let found = accept(&x, &candidates, &known);
        let mut out: Vec<Season> = found
            .into_iter()
            .map(|(period, strength)| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the length")]
                let steps = (period * factor as f64).round() as usize;
                Season { period: steps, strength: strength.clamp(0.0, 1.0) }
            })
            .filter(|s| s.period >= 2 && s.period <= self.max_period)
            .collect();
        out.dedup_by_key(|s| s.period);
        out
    }

    /// Returns the round length that explains as much as `period`, otherwise `period`; both in steps of the pass.
    fn rounded(&self, x: &[f64], period: f64, factor: usize) -> f64 {
        let Some(step) = self.step else { return period };
        let step_ms = step.millis() as f64 * factor as f64;
        let round = ROUND_SECONDS
            .iter()
            .map(|seconds| 1_000.0 * seconds / step_ms)
            .find(|round| (round - period).abs() <= ROUND_NEAR * period);
        let share = |period: f64| repeat(x, period, &[]).map(|found| found.share);
        match round.map(|round| (round, share(round), share(period))) {
            Some((round, Some(of_round), Some(of_period))) if of_round >= ROUND_SHARE * of_period => round,
            _ => period,
        }
    }

    /// Returns an hour, a day and a week in steps of the pass, as far as they are between `least` and `longest`.
    fn calendar(&self, factor: usize, least: f64, longest: f64) -> Vec<f64> {
        let Some(step) = self.step else { return Vec::new() };
        let step_ms = step.millis() as f64 * factor as f64;
        CALENDAR_MS.iter().map(|ms| ms / step_ms).filter(|p| *p >= least && *p <= longest).collect()
    }
}

/// Removes gaps at both ends, turns infinite values into gaps, centres, scales, and clamps spikes to ±1. `None` when
/// too few values are left or all are equal.
fn clean(y: &[f64]) -> Option<Vec<f64>> {
    let first = y.iter().position(|v| v.is_finite())?;
    let last = y.iter().rposition(|v| v.is_finite())?;
    let y = &y[first..=last];
    if y.iter().filter(|v| v.is_finite()).count() < MIN_POINTS {
        return None;
    }
    let (low, middle, high) = (quantile(y, 0.01)?, quantile(y, 0.5)?, quantile(y, 0.99)?);
    let mut spread = high - low;
    if spread <= 0.0 {
        let (min, max) =
            y.iter().filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
        spread = max - min;
    }
    if !(spread > 0.0 && spread.is_finite() && spread > 1e-12 * middle.abs()) {
        return None;
    }
    Some(y.iter().map(|&v| if v.is_finite() { ((v - middle) / spread).clamp(-1.0, 1.0) } else { f64::NAN }).collect())
}

/// Accepts candidates, shortest first, whose pattern is significant after shorter ones are removed, then drops
/// harmonics. `known`: candidates of the calendar. Returns periods with their strengths.
fn accept(x: &[f64], candidates: &[f64], known: &[f64]) -> Vec<(f64, f64)> {
    let n = x.len() as f64;
    let mut rest = x.to_vec();
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for &period in candidates {
        let calendar = known.iter().any(|k| (k - period).abs() < 1e-9);
        let (cycles, deviations) = if calendar { (CALENDAR_CYCLES, CALENDAR_DEVIATIONS) } else { (CYCLES, DEVIATIONS) };
        if n / period < cycles {
            continue;
        }
        let shorter: Vec<f64> = taken.iter().map(|(p, _)| *p).collect();
        let Some(found) = repeat(&rest, period, &shorter) else { continue };
        if found.share > LEAST_SHARE + deviations * found.noise && matters(x, &rest, period) {
            taken.push((period, found.share));
            remove(&mut rest, period);
        }
    }
    without_harmonics(x, taken, known)
}

/// Of each pair of seasons of which one is a multiple of the other, drops the redundant one.
fn without_harmonics(x: &[f64], taken: Vec<(f64, f64)>, known: &[f64]) -> Vec<(f64, f64)> {
    let calendar = |p: f64| known.iter().any(|k| (k - p).abs() < 1e-9);
    let mut dropped = Vec::new();
    for (i, &(short, _)) in taken.iter().enumerate() {
        for &(long, _) in &taken[i + 1..] {
            let ratio = long / short;
            let whole = ratio.round();
            if whole < 2.0 || (ratio - whole).abs() >= 0.03 * whole.min(5.0) {
                continue;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at least 2, at most the length"
            )]
            let common = common_share(x, short, long, whole as usize).unwrap_or(0.0);
            if whole > 4.0 {
                if common < HARMONIC {
                    dropped.push(short);
                }
            } else if calendar(short) && !calendar(long) && common > MOSTLY {
                dropped.push(long);
            } else {
                dropped.push(short);
            }
        }
    }
    taken.into_iter().filter(|(period, _)| !dropped.contains(period)).collect()
}

/// Returns whether the variance of `rest` within a `period` is at least 2 % of that of `x`.
fn matters(x: &[f64], rest: &[f64], period: f64) -> bool {
    let power = |v: &[f64]| {
        let (sum, n) = v.iter().filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v * v, n + 1.0));
        if n > 0.0 { sum / n } else { 0.0 }
    };
    power(&detrend(rest, period)) > 0.02 * power(&detrend(x, period))
}
