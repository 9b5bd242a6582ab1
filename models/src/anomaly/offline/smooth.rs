//! Centred smoothing; NaN is a missing value and is skipped.

use crate::stats::{WindowMeans, median};

/// Returns the mean over `width` values around each value, including it, and over fewer at the ends; NaN where the
/// value is missing.
pub(super) fn moving_mean(x: &[f64], width: usize) -> Vec<f64> {
    let n = x.len();
    let (before, after) = (width.saturating_sub(1) / 2, width / 2);
    let means = WindowMeans::new(x);
    let around = |t: usize| means.mean(t.saturating_sub(before)..(t + after + 1).min(n));
    (0..n).map(|t| if x[t].is_nan() { f64::NAN } else { around(t) }).collect()
}

/// Returns the median over the `2·half + 1` values around each value, over fewer at the ends; NaN where all are
/// missing.
///
/// The window stays sorted, so that a step costs O(half).
pub(super) fn moving_median(x: &[f64], half: usize) -> Vec<f64> {
    let mut window: Vec<f64> = Vec::with_capacity(2 * half + 2);
    let mut out = Vec::with_capacity(x.len());
    for v in x.iter().take(half) {
        insert(&mut window, *v);
    }
    for t in 0..x.len() {
        if let Some(v) = x.get(t + half) {
            insert(&mut window, *v);
        }
        if t > half {
            remove(&mut window, x[t - half - 1]);
        }
        let middle = window.len() / 2;
        out.push(match window.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => window[middle],
            _ => 0.5 * (window[middle - 1] + window[middle]),
        });
    }
    out
}

/// Returns [`moving_median`] of the series extended linearly at both ends, since the median of half a window is biased
/// at the ends of a ramp.
pub(super) fn level(x: &[f64], half: usize) -> Vec<f64> {
    let width = 2 * half + 1;
    if x.len() < 2 * width {
        return moving_median(x, half);
    }
    // `half` values beyond an end, on the line through the medians of its two last windows, from the inside out.
    let beyond = |outer: &[f64], inner: &[f64]| -> Vec<f64> {
        let (Some(outer), Some(inner)) = (median(outer), median(inner)) else { return vec![f64::NAN; half] };
        let slope = (outer - inner) / width as f64;
        (1..=half).map(|k| outer + slope * (half + k) as f64).collect()
    };
    let n = x.len();
    let mut before = beyond(&x[..width], &x[width..2 * width]);
    before.reverse();
    let after = beyond(&x[n - width..], &x[n - 2 * width..n - width]);
    let padded: Vec<f64> = before.iter().chain(x).chain(&after).copied().collect();
    moving_median(&padded, half)[half..half + n].to_vec()
}

fn insert(window: &mut Vec<f64>, v: f64) {
    if !v.is_nan() {
        window.insert(window.partition_point(|w| *w < v), v);
    }
}

fn remove(window: &mut Vec<f64>, v: f64) {
    if !v.is_nan() {
        let at = window.partition_point(|w| *w < v);
        if at < window.len() {
            window.remove(at);
        }
    }
}

/// Adds to `out` `weight` times the mean of `x` weighted by exp(−|k|/`span`), with `k` the distance in steps. Values
/// beyond the ends count as 0.
pub(super) fn add_exponential(out: &mut [f64], x: &[f64], span: f64, weight: f64) {
    // Two recursive passes: past values with the own one, then future values without it.
    let keep = (-1.0 / span).exp();
    let unit = weight * (1.0 - keep) / (1.0 + keep);
    let mut past = 0.0;
    for (o, v) in out.iter_mut().zip(x) {
        past = past * keep + v;
        *o += unit * past;
    }
    let mut future = 0.0;
    for (o, v) in out.iter_mut().zip(x).rev() {
        *o += unit * future;
        future = (future + v) * keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn means_and_medians_of_five_by_hand() {
        let x = [1.0, 5.0, f64::NAN, 2.0, 9.0];
        close(&moving_mean(&x, 3), &[3.0, 3.0, f64::NAN, 5.5, 5.5]);
        close(&moving_median(&x, 1), &[3.0, 3.0, 3.5, 5.5, 5.5]);
        close(&moving_median(&x, 9), &[3.5; 5]);
        close(&moving_mean(&x, 1), &x);
        assert!(moving_median(&[], 2).is_empty() && moving_mean(&[], 3).is_empty());
        assert!(moving_median(&[f64::NAN; 3], 1).iter().all(|v| v.is_nan()));
    }

    #[test]
    fn the_level_of_a_ramp_is_the_ramp_to_its_ends() {
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        close(&level(&ramp, 13), &ramp);
        close(&level(&ramp[..20], 13), &moving_median(&ramp[..20], 13));
    }

    #[test]
    fn one_value_spreads_exponentially_with_distance() {
        let mut x = [0.0; 201];
        x[100] = 1.0;
        let mut out = [0.0; 201];
        add_exponential(&mut out, &x, 3.0, 2.0);
        for k in [0usize, 1, 7] {
            let ratio = (-(k as f64) / 3.0).exp();
            assert!((out[100 + k] / out[100] - ratio).abs() < 1e-12 && (out[100 - k] / out[100] - ratio).abs() < 1e-12);
        }
        assert!((out.iter().sum::<f64>() - 2.0).abs() < 1e-9);
    }
}
