//! Persistent anomalies of a complete series: shifts of the level, and constant stretches.

use crate::stats::{mean, median};

/// Smallest length of a constant stretch, and smallest ratio of it to the longest usual run, which is the one after the
/// `FEW` longest.
const LEAST_EQUAL: usize = 24;
const LONGER: usize = 3;
const FEW: usize = 3;
/// Share of equal neighbours, and share of values in constant stretches, above which a series is usually constant.
const USUAL_EQUAL: f64 = 0.2;
const MOST_STUCK: f64 = 0.1;
/// Number of values before and after a step whose means locate the start of a shift.
const EDGE: usize = 5;
/// Divisor of the series for the time within which a shift back to the former level is the end of an incident.
const INCIDENT_SHARE: usize = 4;
/// Largest distance from the former level after a return, as a share of the shift.
const RETURNED: f64 = 0.3;

/// A shift of the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// First step of the new level.
    pub at: usize,
    /// Level before the shift.
    pub before: f64,
}

/// Returns the size of the shift at each step: the distance of the medians over `width` values before it and from it
/// on; NaN where there are fewer. `level`: median over the odd `width` around each value.
pub(super) fn shift_sizes(level: &[f64], width: usize) -> Vec<f64> {
    let half = width / 2;
    (0..level.len())
        .map(|t| match (t.checked_sub(half + 1), level.get(t + half)) {
            (Some(before), Some(after)) if before >= half && t + width <= level.len() => (after - level[before]).abs(),
            _ => f64::NAN,
        })
        .collect()
}

/// Returns one shift for each run of steps where `is_shift` holds, without incidents and the return from them.
pub(super) fn shifts(rest: &[f64], level: &[f64], width: usize, is_shift: impl Fn(usize) -> bool) -> Vec<Shift> {
    let n = rest.len();
    let half = width / 2;
    let mut found: Vec<(Shift, f64)> = Vec::new();
    let mut t = 0;
    while t < n {
        if !is_shift(t) {
            t += 1;
            continue;
        }
        let start = t;
        while t < n && is_shift(t) {
            t += 1;
        }
        // The medians differ from half a width before the shift to half a width after it; the largest step is its
        // start.
        let step_at = |s: usize| {
            let before = mean(&rest[s.saturating_sub(EDGE)..s])?;
            Some((mean(&rest[s..(s + EDGE).min(n)])? - before).abs())
        };
        let at = (start.max(1)..t).max_by(|a, b| step_at(*a).unwrap_or(0.0).total_cmp(&step_at(*b).unwrap_or(0.0)));
        let Some(at) = at else { continue };
        let before = level[at.saturating_sub(half + 1)];
        let after = level[(at + half).min(n - 1)];
        let returns = found.last().is_some_and(|(last, size)| {
            (after - last.before).abs() < RETURNED * size.abs() && (at - last.at) * INCIDENT_SHARE < n
        });
        if returns {
            found.pop();
        } else {
            found.push((Shift { at, before }, after - before));
        }
    }
    found.into_iter().map(|(shift, _)| shift).collect()
}

/// Returns constant stretches inside the range of all other values, in a series that seldom repeats a value: first
/// step, end and ratio of the length to the smallest one that is an anomaly.
pub(super) fn stuck(y: &[f64]) -> Vec<(usize, usize, f64)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut start = 0;
    for t in 1..=y.len() {
        if t == y.len() || y[t].total_cmp(&y[start]).is_ne() {
            if y[start].is_finite() {
                runs.push((start, t));
            }
            start = t;
        }
    }
    // The longest runs may be the anomalies themselves, so that the usual length leaves them out.
    let mut lengths: Vec<usize> = runs.iter().map(|(start, end)| end - start).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let usual = lengths.get(FEW).copied().unwrap_or(1);
    let bound = LEAST_EQUAL.max(LONGER * usual);
    let values: usize = lengths.iter().sum();
    let long: Vec<(usize, usize)> = runs.iter().copied().filter(|(start, end)| end - start >= bound).collect();
    let stuck: usize = long.iter().map(|(start, end)| end - start).sum();
    let equal = values - stuck - (runs.len() - long.len()).min(values - stuck);
    if stuck as f64 > MOST_STUCK * values as f64 || equal as f64 > USUAL_EQUAL * (values - stuck) as f64 {
        return Vec::new();
    }
    let others = runs.iter().filter(|(start, end)| end - start < bound).map(|(start, _)| y[*start]);
    let (low, high) = others.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    long.into_iter()
        .filter(|(start, _)| low < y[*start] && y[*start] < high)
        .map(|(start, end)| (start, end, (end - start) as f64 / bound as f64))
        .collect()
}

/// Returns the median absolute change from one value to the next.
pub(super) fn usual_change(x: &[f64]) -> f64 {
    let changes: Vec<f64> = x.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    median(&changes).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::smooth::moving_median;
    use super::*;

    fn noise(t: usize) -> f64 {
        (t * 7_919 % 101) as f64 / 101.0
    }

    fn found(y: &[f64]) -> Vec<usize> {
        let level = moving_median(y, 13);
        let sizes = shift_sizes(&level, 27);
        shifts(y, &level, 27, |t| sizes[t] > 5.0).into_iter().map(|shift| shift.at).collect()
    }

    #[test]
    fn a_shift_is_located_and_an_outage_or_a_ramp_has_none() {
        let shifted: Vec<f64> = (0..1_000).map(|t| noise(t) + if t < 400 { 10.0 } else { 30.0 }).collect();
        assert_eq!(found(&shifted), [400]);
        let outage: Vec<f64> =
            (0..1_000).map(|t| if (400..460).contains(&t) { 0.0 } else { 20.0 + noise(t) }).collect();
        assert_eq!(found(&outage), Vec::<usize>::new(), "its values are called, not its ends");
        let ramp: Vec<f64> = (0..1_000).map(|t| 0.1 * t as f64 + noise(t)).collect();
        assert_eq!(found(&ramp), Vec::<usize>::new());
    }

    #[test]
    fn a_stuck_value_is_found_and_a_usual_one_is_not() {
        let y = |t: usize| if (500..600).contains(&t) { 0.4 } else { noise(t * t) };
        assert_eq!(stuck(&(0..2_000).map(y).collect::<Vec<_>>()).first().map(|run| (run.0, run.1)), Some((500, 600)));
        let rests = |t: usize| if t % 200 < 60 { 0.0 } else { noise(t * t) };
        assert!(stuck(&(0..2_000).map(rests).collect::<Vec<_>>()).is_empty());
        let coarse: Vec<f64> = (0..2_000).map(|t| (noise(t / 9) * 4.0).round()).collect();
        assert!(stuck(&coarse).is_empty() && stuck(&[1.0; 90]).is_empty() && stuck(&[]).is_empty());
    }
}
