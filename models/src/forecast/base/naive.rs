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

/// Spans that a [`drift`] is taken over.
const SPANS: usize = 4;

/// How much `z` changes a step, from its changes over `span` steps of late: their median, which neither a season of that
/// length nor a jump moves, less the more they differ from it. `None` when `z` is not longer than a span and a quarter.
///
/// # Reference
/// Hyndman & Athanasopoulos (2021), Forecasting: principles and practice, section 5.2, the drift method; the share that is
/// believed is that of James & Stein (1961), its positive part, with the median absolute deviation.
pub(crate) fn drift(z: &[f64], span: usize) -> Option<f64> {
    let n = z.len();
    if span == 0 || n <= span + span / 4 {
        return None;
    }
    let from = n.saturating_sub(SPANS * span).max(span);
    let mut changes: Vec<f64> = (from..n).map(|t| z[t] - z[t - span]).collect();
    let change = crate::stats::median(&changes)?;
    changes.iter_mut().for_each(|c| *c = (*c - change).abs());
    let spread = crate::stats::median(&changes)?;
    let believed = if change.abs() > spread { 1.0 - (spread / change).powi(2) } else { 0.0 };
    Some(believed * change / span as f64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_drifts_and_a_wave_does_not() {
        let wave = |t: usize| (t as f64 / 24.0 * std::f64::consts::TAU).sin();
        let mut line: Vec<f64> = (0..200).map(|t| 0.5 * t as f64 + wave(t)).collect();
        // A spike moves nothing.
        line[150] = 1e6;
        assert!((drift(&line, 24).unwrap() - 0.5).abs() < 1e-9);
        let noise: Vec<f64> = (0..200).map(|t| wave(t) + ((t * 7_919 + t * t * 31) % 101) as f64).collect();
        assert!(drift(&noise, 24).unwrap().abs() < 1e-9);
        assert_eq!(drift(&line[..30], 24), None);
        assert_eq!(drift(&[0.0; 60], 24), Some(0.0));
    }
}
