//! What lasts in a series that is known as a whole: shifts of the level, and stretches of one value.

use crate::stats::{mean, median};

/// A stretch of one value has at least so many, and this many times as many as all but the few longest.
const LEAST_EQUAL: usize = 24;
const LONGER: usize = 3;
const FEW: usize = 3;
/// Where more neighbours than this share are equal, or stretches hold more of the values, a series is constant by habit.
const USUAL_EQUAL: f64 = 0.2;
const MOST_STUCK: f64 = 0.1;
/// Values before and after a place whose means find where a shift begins.
const EDGE: usize = 5;
/// A shift back to the level before the last one within this share of the series is the end of an incident.
const INCIDENT_SHARE: usize = 4;
/// How close, in parts of the shift, the level comes to the one before.
const RETURNED: f64 = 0.3;

/// A shift of the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// The first step of the new level.
    pub at: usize,
    /// The level before.
    pub before: f64,
}

/// Sizes of the shift at each step: how far the medians over `width` values before and from it on lie apart; NaN where
/// there are fewer. `level` has the median over the odd `width` around each value.
pub(super) fn shift_sizes(level: &[f64], width: usize) -> Vec<f64> {
    let half = width / 2;
    (0..level.len())
        .map(|t| match (t.checked_sub(half + 1), level.get(t + half)) {
            (Some(before), Some(after)) if before >= half && t + width <= level.len() => (after - level[before]).abs(),
            _ => f64::NAN,
        })
        .collect()
}

/// Shifts where `is_shift` holds of the step; the return from an incident is none.
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
        // The medians lie apart from half a width before the shift to half a width behind it.
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

/// Stretches of one value, inside the range of all others, in a series that hardly ever repeats one: first step, end and
/// how many times as long as the least that is odd.
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

/// Median of the changes from one value to the next, by size.
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
    fn a_shift_begins_where_it_does_and_an_outage_has_no_second_one() {
        let shifted: Vec<f64> = (0..1_000).map(|t| noise(t) + if t < 400 { 10.0 } else { 30.0 }).collect();
        assert_eq!(found(&shifted), [400]);
        let outage: Vec<f64> =
            (0..1_000).map(|t| if (400..460).contains(&t) { 0.0 } else { 20.0 + noise(t) }).collect();
        assert_eq!(found(&outage), Vec::<usize>::new(), "its values are called, not its ends");
        let ramp: Vec<f64> = (0..1_000).map(|t| 0.1 * t as f64 + noise(t)).collect();
        assert_eq!(found(&ramp), Vec::<usize>::new());
    }

    #[test]
    fn a_stuck_value_is_found_and_a_habit_is_none() {
        let y = |t: usize| if (500..600).contains(&t) { 0.4 } else { noise(t * t) };
        assert_eq!(stuck(&(0..2_000).map(y).collect::<Vec<_>>()).first().map(|run| (run.0, run.1)), Some((500, 600)));
        let rests = |t: usize| if t % 200 < 60 { 0.0 } else { noise(t * t) };
        assert!(stuck(&(0..2_000).map(rests).collect::<Vec<_>>()).is_empty());
        let coarse: Vec<f64> = (0..2_000).map(|t| (noise(t / 9) * 4.0).round()).collect();
        assert!(stuck(&coarse).is_empty() && stuck(&[1.0; 90]).is_empty() && stuck(&[]).is_empty());
    }
}
