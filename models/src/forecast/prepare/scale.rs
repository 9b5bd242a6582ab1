//! The scale of MASE: the error of the seasonal naive forecast on a history.

/// Returns the mean absolute difference between values one `period` apart, over the steps where both are finite; `None`
/// when there is no such pair or all differences are 0.
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
