//! Seasonal naive: the value of one season ago.

/// The course of the `horizon` steps after `z` that repeats its last `period` values (the last value when the history
/// is shorter than a period). `z` is not empty.
pub(crate) fn seasonal_naive(z: &[f64], period: usize, horizon: usize) -> Vec<f64> {
    let n = z.len();
    let period = if period >= 1 && period <= n { period } else { 1 };
    (0..horizon).map(|k| z[n - period + k % period]).collect()
}

/// Cycles that a [`seasonal_mean`] is taken over.
const CYCLES: usize = 4;

/// The course of the `horizon` steps after `z` that repeats the mean of the last cycles of `period` steps, at least one
/// of which `z` holds; else NaN.
pub(crate) fn seasonal_mean(z: &[f64], period: usize, horizon: usize) -> Vec<f64> {
    let n = z.len();
    let cycles = (n / period.max(1)).min(CYCLES);
    if cycles == 0 || period == 0 {
        return vec![f64::NAN; horizon];
    }
    (0..horizon).map(|k| (1..=cycles).map(|c| z[n - c * period + k % period]).sum::<f64>() / cycles as f64).collect()
}

/// Mean absolute difference between values one `period` apart, over the steps where both are finite; the scale of MASE.
/// `None` when there is no such pair or all agree.
///
/// # Reference
/// Hyndman & Koehler (2006), Another look at measures of forecast accuracy.
pub(crate) fn naive_scale(y: &[f64], period: usize) -> Option<f64> {
    let period = if y.len() > period { period.max(1) } else { 1 };
    let (sum, n) = y
        .iter()
        .zip(y.iter().skip(period))
        .map(|(a, b)| (a - b).abs())
        .filter(|d| d.is_finite())
        .fold((0.0, 0.0), |(s, n), d| (s + d, n + 1.0));
    (n > 0.0 && sum > 0.0).then(|| sum / n)
}
