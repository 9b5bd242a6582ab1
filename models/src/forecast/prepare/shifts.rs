//! Detects lasting level shifts and variance changes, and aligns older values with the present level and variance.

use super::median::Ranked;
use crate::stats::{mad, median, quantile};

/// Minimum ratio of a shift to the largest change between neighbouring windows that is not a shift.
const STANDS_OUT: f64 = 3.0;
/// Maximum number of shifts. A series with more of them changes level as part of its pattern.
const MOST: usize = 3;
/// Minimum shift in standard deviations of the noise. Intervals remain valid for smaller ones.
const LEAST_DEVIATIONS: f64 = 1.0;
/// Minimum shift in standard deviations of the remainder, slow movement included. In a random walk some change is
/// always large by chance.
const CLEAR: f64 = 5.0;
/// The same for a shift within the last window, which must also have lasted a quarter of a window.
const CLEAR_LATE: f64 = 8.0;
/// Minimum number of non-overlapping windows in a series.
const LEAST_WINDOWS: usize = 10;
/// Minimum number of values after a shift. With fewer it may be an incident that is not over.
const LEAST_AFTER: usize = 12;
/// Share of the shift that must occur within an eighth of a window. Otherwise it is a slope.
const ABRUPT: f64 = 0.6;
/// Range of the ratio of spreads that counts as equal.
const SAME_SPREAD: (f64, f64) = (0.67, 1.5);
/// Minimum change of variance, as a ratio of standard deviations.
const LEAST_RATIO: f64 = 2.0;
/// Maximum length of a weekend in days. A change that reverts within it is not a shift.
const WEEKEND_DAYS: f64 = 3.2;

/// Lengths of a series in steps: the cycle over which it repeats best and, if known, a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::forecast) struct Lengths {
    pub cycle: usize,
    pub day: Option<usize>,
    /// Whether all values are counts. Their medians change by whole numbers, so variance changes are not searched.
    pub counts: bool,
}

/// Maps the values of each step to the present level and variance: value · `scale` + `offset`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::forecast) struct Alignment {
    scale: Vec<f64>,
    offset: Vec<f64>,
    /// First step of the present level and variance.
    pub since: usize,
}

impl Alignment {
    fn none(n: usize) -> Self {
        Self { scale: vec![1.0; n], offset: vec![0.0; n], since: 0 }
    }

    /// Returns `y`, of the same length as the analysed series, aligned with the present level.
    pub(in crate::forecast) fn apply(&self, y: &[f64]) -> Vec<f64> {
        y.iter().zip(&self.scale).zip(&self.offset).map(|((v, a), b)| v * a + b).collect()
    }
}

/// Detects the shifts of `y`, finite throughout; `None` when there is none.
pub(in crate::forecast) fn alignment(y: &[f64], lengths: Lengths) -> Option<Alignment> {
    let x = without_cycle(y, lengths.cycle);
    let mut out = Alignment::none(y.len());
    let ranked = Ranked::new(&x);
    let levels = level_shifts(&x, &ranked, lengths);
    if let Some(&last) = levels.last() {
        let mut ends = levels.clone();
        ends.push(y.len());
        let present = Segment::of(&x[last..], &y[last..], lengths.cycle);
        let mut start = 0;
        for &end in &ends[..ends.len() - 1] {
            let segment = Segment::of(&x[start..end], &y[start..end], lengths.cycle);
            let ratio = present.spread_over(&segment);
            for t in start..end {
                out.scale[t] = ratio;
                out.offset[t] = present.level - segment.level * ratio;
            }
            start = end;
        }
        out.since = last;
    }
    // Levels first: a level shift would count as a change of variance.
    let (levelled, ranked) = if levels.is_empty() {
        (x, ranked)
    } else {
        let levelled = without_cycle(&out.apply(y), lengths.cycle);
        let ranked = Ranked::new(&levelled);
        (levelled, ranked)
    };
    let varied = if lengths.counts { None } else { variance_change(&levelled, &ranked, lengths.cycle) };
    if let Some((at, ratio, course)) = varied {
        let aligned = out.apply(y);
        for t in 0..at {
            // Scale the noise around course and season only; both stay as they are.
            let centre = aligned[t] - levelled[t] + course[t];
            out.scale[t] *= ratio;
            out.offset[t] = out.offset[t] * ratio + centre * (1.0 - ratio);
        }
        out.since = out.since.max(at);
    } else if levels.is_empty() {
        return None;
    }
    Some(out)
}

/// Level and spread of the values between two shifts.
struct Segment {
    level: f64,
    /// Distance of the 10th and 90th percentiles over whole cycles; 0 when unknown.
    spread: f64,
}

impl Segment {
    /// Measures a segment. `x`: values without the cycle; `y`: values with it.
    fn of(x: &[f64], y: &[f64], cycle: usize) -> Self {
        let level = median(x).unwrap_or(0.0);
        let width = |v: &[f64]| Some(quantile(v, 0.9)? - quantile(v, 0.1)?);
        let whole = if cycle >= 2 { y.len() / cycle * cycle } else { y.len() };
        let spread = if whole >= 30 { width(&y[y.len() - whole..]).unwrap_or(0.0) } else { 0.0 };
        Self { level, spread }
    }

    /// Returns the ratio of the spreads; 1 when it is unknown or not clear.
    fn spread_over(&self, other: &Self) -> f64 {
        if self.spread > 0.0 && other.spread > 0.0 {
            let ratio = self.spread / other.spread;
            let same = (SAME_SPREAD.0..=SAME_SPREAD.1).contains(&ratio);
            return if same { 1.0 } else { ratio.clamp(0.05, 20.0) };
        }
        1.0
    }
}

/// Returns `y` minus its seasonal profile: the median over cycles of each phase's departure from a centred mean.
fn without_cycle(y: &[f64], cycle: usize) -> Vec<f64> {
    let n = y.len();
    if cycle < 2 || n < 3 * cycle {
        return y.to_vec();
    }
    let mut sums = Vec::with_capacity(n + 1);
    sums.push(0.0);
    for (t, v) in y.iter().enumerate() {
        sums.push(sums[t] + v);
    }
    let mean = |t: usize| {
        let start = t.saturating_sub(cycle / 2).min(n - cycle);
        (sums[start + cycle] - sums[start]) / cycle as f64
    };
    let mut column = Vec::with_capacity(n / cycle + 1);
    let profile: Vec<f64> = (0..cycle)
        .map(|phase| {
            column.clear();
            column.extend((phase..n).step_by(cycle).map(|t| y[t] - mean(t)));
            median(&column).unwrap_or(0.0)
        })
        .collect();
    y.iter().enumerate().map(|(t, v)| v - profile[t % cycle]).collect()
}

/// Returns the long window, a cycle where possible, and the short one, an eighth of it, for shifts in the last window.
fn windows(n: usize, cycle: usize) -> (usize, usize) {
    let long = if cycle >= 24 && n >= LEAST_WINDOWS * cycle { cycle } else { (n / 12).clamp(24, 400) };
    (long, (long / 8).max(LEAST_AFTER))
}

/// Returns the first steps of new levels, ascending.
fn level_shifts(x: &[f64], ranked: &Ranked, lengths: Lengths) -> Vec<usize> {
    let n = x.len();
    let (long, short) = windows(n, lengths.cycle);
    if n < LEAST_WINDOWS * long {
        return Vec::new();
    }
    let course = ranked.running_median(short | 1);
    let noise = mad(&x.iter().zip(&course).map(|(v, c)| v - c).collect::<Vec<_>>()).unwrap_or(0.0);
    let mut out = steps(x, ranked, long, noise, 0);
    // Shifts within the last long window are invisible to it: search them with the short one.
    let late: Vec<usize> = steps(x, ranked, short, noise, n - long);
    out.extend(late.into_iter().filter(|t| *t + long > n));
    out.sort_unstable();
    out.dedup_by(|a, b| *a < *b + short);
    out.retain(|t| n - t >= LEAST_AFTER.max(long / 4));
    if is_weekend(x, &out, lengths.day) { Vec::new() } else { clear(x, out, n - long) }
}

/// Keeps the shifts that are large relative to the variation between them. After step `late` the limit is higher.
fn clear(x: &[f64], shifts: Vec<usize>, late: usize) -> Vec<usize> {
    let mut ends = shifts.clone();
    ends.push(x.len());
    let (mut start, mut levels, mut rest) = (0, Vec::with_capacity(ends.len()), Vec::with_capacity(x.len()));
    for end in ends {
        let level = median(&x[start..end]).unwrap_or(0.0);
        rest.extend(x[start..end].iter().map(|v| v - level));
        levels.push(level);
        start = end;
    }
    let within = mad(&rest).unwrap_or(0.0);
    let jumps = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let least = |at: usize| within * if at > late { CLEAR_LATE } else { CLEAR };
    shifts.into_iter().zip(jumps).filter(|(at, jump)| *jump >= least(*at)).map(|(at, _)| at).collect()
}

/// Returns whether the level changed and reverted within a long weekend.
fn is_weekend(x: &[f64], shifts: &[usize], day: Option<usize>) -> bool {
    let ([from, to], Some(day)) = (shifts, day) else { return false };
    let level = |part: &[f64]| median(part).unwrap_or(0.0);
    let (before, inside, after) = (level(&x[..*from]), level(&x[*from..*to]), level(&x[*to..]));
    let back = (after - before).abs() < 0.3 * (inside - before).abs();
    back && ((to - from) as f64) < WEEKEND_DAYS * day as f64
}

/// Returns the steps, not before `from`, where the medians of the windows before and after differ far more than
/// elsewhere.
fn steps(x: &[f64], ranked: &Ranked, window: usize, noise: f64, from: usize) -> Vec<usize> {
    let n = x.len();
    // Median of the window that starts at step `t`.
    let centred = ranked.running_median(window);
    let begins = |t: usize| centred[t + window / 2];
    let changes: Vec<f64> = (window..=n - window).map(|t| (begins(t) - begins(t - window)).abs()).collect();
    let peaks = peaks(&changes, window, MOST + 1);
    // Take the largest number of peaks that are clearly separated from the next one.
    let shifts = (1..=MOST.min(peaks.len().saturating_sub(1))).rev().find(|&k| {
        let (least, next) = (peaks[k - 1].1, peaks[k].1);
        least > STANDS_OUT * next && least > LEAST_DEVIATIONS * noise && least > 0.0
    });
    let Some(shifts) = shifts else { return Vec::new() };
    peaks[..shifts]
        .iter()
        .map(|(place, _)| place + window)
        .filter(|t| *t >= from)
        .filter_map(|t| place(x, t, window))
        .collect()
}

/// Returns the `count` largest of `values`, more than `apart` from each other, as index and size, largest first.
fn peaks(values: &[f64], apart: usize, count: usize) -> Vec<(usize, f64)> {
    let mut out: Vec<(usize, f64)> = Vec::new();
    let mut left = values.to_vec();
    while out.len() < count {
        let Some((place, size)) =
            left.iter().copied().enumerate().filter(|v| v.1.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))
        else {
            break;
        };
        out.push((place, size));
        let end = (place + apart + 1).min(left.len());
        left[place.saturating_sub(apart)..end].fill(f64::NAN);
    }
    out
}

/// Returns the step near `t` that best separates the values around it; `None` if they slope rather than step.
fn place(x: &[f64], t: usize, window: usize) -> Option<usize> {
    let (from, to) = (t.saturating_sub(window), (t + window).min(x.len()));
    let (before, after) = (median(&x[from..t])?, median(&x[t..to])?);
    let gain = |v: f64| (v - before).abs() - (v - after).abs();
    // Minimise the sum of absolute deviations: moving the boundary past a value changes the sum by `gain`.
    let (mut sum, mut best) = (0.0, (f64::INFINITY, t));
    for (k, v) in x[from..to].iter().enumerate() {
        if sum < best.0 {
            best = (sum, from + k);
        }
        sum += gain(*v);
    }
    let at = best.1;
    let near = (window / 8).max(6);
    let (old, new) = (median(&x[at.saturating_sub(near)..at])?, median(&x[at..(at + near).min(x.len())])?);
    ((new - old).abs() >= ABRUPT * (after - before).abs()).then_some(at)
}

/// Returns the step from which the noise of `x` differs, the ratio of new to old noise, and the course around which the
/// noise is measured.
fn variance_change(x: &[f64], ranked: &Ranked, cycle: usize) -> Option<(usize, f64, Vec<f64>)> {
    let n = x.len();
    let (long, short) = windows(n, cycle);
    if n < LEAST_WINDOWS * long {
        return None;
    }
    let course = ranked.running_median(short | 1);
    let away: Vec<f64> = x.iter().zip(&course).map(|(v, c)| (v - c).abs()).collect();
    let floor = 0.05 * median(&away).filter(|v| *v > 0.0)?;
    let logs: Vec<f64> = Ranked::new(&away).running_median(long).iter().map(|v| v.max(floor).ln()).collect();
    let begins = |t: usize| logs[t + long / 2];
    let changes: Vec<f64> = (long..=n - long).map(|t| (begins(t) - begins(t - long)).abs()).collect();
    let found = peaks(&changes, long, 2);
    let (&(at, size), &(_, next)) = (found.first()?, found.get(1)?);
    if size < LEAST_RATIO.ln() || size < STANDS_OUT * next {
        return None;
    }
    let at = at + long;
    let ratio = median(&away[at..])?.max(floor) / median(&away[..at])?.max(floor);
    Some((at, ratio.clamp(0.05, 20.0), course))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(t: usize) -> f64 {
        ((t * 7_919 + t * t * 31) % 101) as f64 / 101.0 - 0.5
    }

    fn wave(t: usize) -> f64 {
        (t as f64 / 96.0 * std::f64::consts::TAU).sin()
    }

    const DAY: Lengths = Lengths { cycle: 96, day: Some(96), counts: false };

    #[test]
    fn shifts_are_found_where_they_are() {
        // Up, down, late, and two of them; with and without a cycle.
        for amplitude in [0.0, 5.0] {
            for (steps, by) in [(&[500][..], 20.0), (&[700], -20.0), (&[1_300], 20.0), (&[400, 900], 15.0)] {
                let level = |t: usize| steps.iter().filter(|s| **s <= t).count() as f64 * by;
                let y: Vec<f64> = (0..1_344).map(|t| 50.0 + level(t) + amplitude * wave(t) + noise(t)).collect();
                let found = alignment(&y, DAY).unwrap();
                assert!(found.since.abs_diff(steps[steps.len() - 1]) <= 2, "{steps:?} {by}: {}", found.since);
                let aligned = found.apply(&y);
                let at_a_shift = |t: usize| steps.iter().any(|step| step.abs_diff(t) <= 2);
                for (t, v) in aligned.iter().enumerate().filter(|(t, _)| !at_a_shift(*t)) {
                    let present = 50.0 + level(y.len()) + amplitude * wave(t);
                    assert!((v - present).abs() < 2.0, "{steps:?} {by} {amplitude}, step {t}: {v} for {present}");
                }
            }
        }
    }

    #[test]
    fn slopes_walks_seasons_and_weekends_are_no_shifts() {
        let mut walk = 0.0;
        let series: [Vec<f64>; 5] = [
            (0..1_344).map(|t| 0.1 * t as f64 + noise(t)).collect(),
            (0..1_344)
                .map(|t| {
                    walk += noise(t);
                    walk
                })
                .collect(),
            (0..1_344).map(|t| 30.0 * wave(t) + noise(t)).collect(),
            (0..1_344).map(|t| if (480..672).contains(&t) { 20.0 } else { 50.0 } + noise(t)).collect(),
            (0..1_344).map(|t| if t % 96 < 40 { 10.0 } else { 90.0 } + noise(t)).collect(),
        ];
        for (i, y) in series.iter().enumerate() {
            assert_eq!(alignment(y, DAY).map(|a| a.since), None, "series {i}");
        }
        assert_eq!(alignment(&[5.0; 400], DAY), None);
        assert_eq!(alignment(&[], DAY), None);
    }

    #[test]
    fn older_noise_becomes_as_wide_as_it_is_now() {
        let y: Vec<f64> = (0..1_344).map(|t| 50.0 + if t < 700 { 10.0 } else { 2.0 } * noise(t)).collect();
        let found = alignment(&y, DAY).unwrap();
        assert!(found.since.abs_diff(700) < 30, "{}", found.since);
        let aligned = found.apply(&y);
        let ratio = mad(&aligned[..600]).unwrap() / mad(&aligned[800..]).unwrap();
        // Five times as wide before. The season is estimated over both parts, so that some of its noise remains.
        assert!((0.5..2.5).contains(&ratio), "{ratio}, since {}", found.since);
    }
}
