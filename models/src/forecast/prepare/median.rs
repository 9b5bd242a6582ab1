//! Running median, by which the course of a series is told from short departures.

/// Median of the finite values of a window of `width` (odd) centred on each step; near the ends of the nearest full window.
/// NaN where a window holds no finite value.
pub(in crate::forecast) fn running_median(y: &[f64], width: usize) -> Vec<f64> {
    let n = y.len();
    let width = width.clamp(1, n.max(1));
    let mut window: Vec<f64> = Vec::with_capacity(width);
    for &v in y.iter().take(width).filter(|v| v.is_finite()) {
        window.push(v);
    }
    window.sort_unstable_by(f64::total_cmp);
    let half = width / 2;
    let mut out = Vec::with_capacity(n);
    let mut start = 0;
    for t in 0..n {
        let wanted = t.saturating_sub(half).min(n - width);
        while start < wanted {
            replace(&mut window, y[start], y[start + width]);
            start += 1;
        }
        out.push(middle(&window));
    }
    out
}

/// Takes `old` out of the sorted window and `new` in; values that are not finite are in neither.
fn replace(window: &mut Vec<f64>, old: f64, new: f64) {
    let place = |window: &[f64], v: f64| window.partition_point(|w| w.total_cmp(&v).is_lt());
    match (old.is_finite(), new.is_finite()) {
        (true, true) => {
            let from = place(window, old);
            let to = place(window, new);
            if to > from {
                window.copy_within(from + 1..to, from);
                window[to - 1] = new;
            } else {
                window.copy_within(to..from, to + 1);
                window[to] = new;
            }
        }
        (true, false) => {
            window.remove(place(window, old));
        }
        (false, true) => window.insert(place(window, new), new),
        (false, false) => {}
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::median;

    #[test]
    fn every_window_has_its_own_median() {
        let y: Vec<f64> =
            (0..200).map(|t: usize| if t % 17 == 3 { f64::NAN } else { ((t * 7_919) % 23) as f64 }).collect();
        for width in [1, 3, 11, 51] {
            let found = running_median(&y, width);
            for (t, value) in found.iter().enumerate() {
                let start = t.saturating_sub(width / 2).min(y.len() - width);
                let expected = median(&y[start..start + width]).unwrap_or(f64::NAN);
                assert!((value - expected).abs() < 1e-12 || (value.is_nan() && expected.is_nan()), "{width} {t}");
            }
        }
        assert!(running_median(&[], 5).is_empty());
    }
}
