//! Checks a history and fills its gaps.

use super::scale::naive_scale;
use crate::forecast::ForecastError;

/// Largest absolute value. The square of a larger one may overflow.
const LARGEST: f64 = 1e150;

/// Returns the number of finite values, or an error for an infinite or too large one.
pub(crate) fn check(y: &[f64]) -> Result<usize, ForecastError> {
    let mut finite = 0;
    for (idx, &value) in y.iter().enumerate() {
        if value.is_infinite() {
            return Err(ForecastError::Infinite { idx });
        }
        if value.abs() > LARGEST {
            return Err(ForecastError::TooLarge { idx, value });
        }
        finite += usize::from(value.is_finite());
    }
    Ok(finite)
}

/// Fills missing values: short gaps by linear interpolation, longer ones with the values one season before, shifted to
/// meet both ends. It uses the season over which values change least. `y` has at least one finite value; values after
/// the last finite one repeat the last season.
pub(crate) fn fill_gaps(y: &[f64], seasons: &[usize]) -> Vec<f64> {
    let mut out = y.to_vec();
    let n = out.len();
    let mut t = 0;
    let mut best: Option<Vec<usize>> = None;
    while t < n {
        if out[t].is_finite() {
            t += 1;
            continue;
        }
        let end = (t..n).find(|&i| out[i].is_finite()).unwrap_or(n);
        let before = t.checked_sub(1).map(|i| out[i]);
        let after = (end < n).then(|| out[end]);
        // A gap shorter than an eighth of a season is interpolated: the season may be noisier than a line.
        let season = if end - t > 2 {
            let best = best.get_or_insert_with(|| by_change(y, seasons));
            best.iter().copied().find(|&m| end - t > m / 8 && t > m)
        } else {
            None
        };
        match season {
            Some(m) => {
                // The shift changes linearly from the one at the start of the gap to the one at its end.
                let from = out[t - 1] - out[t - 1 - m];
                let to = after.map_or(from, |v| if end >= m { v - out[end - m] } else { from });
                for i in t..end {
                    let share = (i + 1 - t) as f64 / (end + 1 - t) as f64;
                    out[i] = out[i - m] + from + (to - from) * share;
                }
            }
            None => {
                for (k, slot) in out[t..end].iter_mut().enumerate() {
                    let share = (k + 1) as f64 / (end + 1 - t) as f64;
                    *slot = match (before, after) {
                        (Some(a), Some(b)) => a + (b - a) * share,
                        (Some(v), None) | (None, Some(v)) => v,
                        (None, None) => 0.0,
                    };
                }
            }
        }
        t = end;
    }
    out
}

/// Returns the seasons in ascending order of the change over one season.
fn by_change(y: &[f64], seasons: &[usize]) -> Vec<usize> {
    let mut changes: Vec<(f64, usize)> =
        seasons.iter().map(|&m| (naive_scale(y, m).unwrap_or(f64::INFINITY), m)).collect();
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    changes.into_iter().map(|(_, m)| m).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_follow_the_season() {
        let mut y: Vec<f64> = (0..96).map(|t| f64::from(t % 24)).collect();
        y[50..70].fill(f64::NAN);
        y[10] = f64::NAN;
        y[95] = f64::NAN;
        let filled = fill_gaps(&y, &[24]);
        for (t, v) in filled.iter().enumerate().take(95) {
            assert!((v - (t % 24) as f64).abs() < 1e-9, "step {t}: {v}");
        }
        assert_eq!(fill_gaps(&[f64::NAN, 2.0, f64::NAN], &[]), vec![2.0, 2.0, 2.0]);
    }
}
