//! Naive forecasts: the value one season ago, the mean of the last cycles, and the drift.

/// Returns the `horizon` steps after `z` as a repetition of its last `period` values, or of the last value when `z` is
/// shorter than a period. `z` is not empty.
pub(crate) fn seasonal_naive(z: &[f64], period: usize, horizon: usize) -> Vec<f64> {
    let n = z.len();
    let period = if period >= 1 && period <= n { period } else { 1 };
    (0..horizon).map(|k| z[n - period + k % period]).collect()
}

/// Maximum number of cycles in a [`seasonal_mean`].
const CYCLES: usize = 4;

/// Returns the `horizon` steps after `z` as a repetition of the mean of the last cycles of `period` steps; NaN when `z`
/// is shorter than a cycle.
pub(crate) fn seasonal_mean(z: &[f64], period: usize, horizon: usize) -> Vec<f64> {
    let n = z.len();
    let cycles = (n / period.max(1)).min(CYCLES);
    if cycles == 0 || period == 0 {
        return vec![f64::NAN; horizon];
    }
    (0..horizon).map(|k| (1..=cycles).map(|c| z[n - c * period + k % period]).sum::<f64>() / cycles as f64).collect()
}

/// Maximum number of spans in a [`drift`].
const SPANS: usize = 4;

/// Returns the slope of `z` per step: the median of its recent changes over `span` steps, shrunk towards 0 by their
/// spread. Neither a season of length `span` nor a single jump moves it. `None` when `z` is not longer than 1.25 spans.
///
/// # Reference
/// Hyndman & Athanasopoulos (2021), Forecasting: principles and practice, section 5.2, the drift method; the shrinkage
/// is the positive part of James & Stein (1961), with the median absolute deviation as the error.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_drifts_and_a_wave_does_not() {
        let wave = |t: usize| (t as f64 / 24.0 * std::f64::consts::TAU).sin();
        let mut line: Vec<f64> = (0..200).map(|t| 0.5 * t as f64 + wave(t)).collect();
        // A spike does not move the slope.
        line[150] = 1e6;
        assert!((drift(&line, 24).unwrap() - 0.5).abs() < 1e-9);
        let noise: Vec<f64> = (0..200).map(|t| wave(t) + ((t * 7_919 + t * t * 31) % 101) as f64).collect();
        assert!(drift(&noise, 24).unwrap().abs() < 1e-9);
        assert_eq!(drift(&line[..30], 24), None);
        assert_eq!(drift(&[0.0; 60], 24), Some(0.0));
    }
}
