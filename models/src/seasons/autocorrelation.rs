//! Autocorrelation of a series with gaps by fast Fourier transform, and its peaks. Candidates for the season detector.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

/// A transform plan for series of one length. It is reused because planning costs as much as one transform.
pub(crate) struct Correlator {
    size: usize,
    /// Used in both directions: a power spectrum is real and even, so its inverse transform equals the forward one, up
    /// to the scale.
    transform: Arc<dyn Fft<f64>>,
}

impl Correlator {
    /// Plans the transform for series of `n` values, zero-padded to twice their length.
    pub(crate) fn new(n: usize) -> Self {
        let size = (2 * n.max(1)).next_power_of_two();
        Self { size, transform: FftPlanner::new().plan_fft_forward(size) }
    }

    /// Returns the autocorrelation of `x` at lags `0..max_lag`. `x` is centred on 0, NaN in gaps, and of the planned
    /// length. Each lag is averaged over its finite pairs; lags with fewer than a tenth of all pairs are 0.
    pub(crate) fn autocorrelation(&self, x: &[f64], max_lag: usize) -> Vec<f64> {
        let n = x.len();
        let lags = max_lag.min(n);
        let products = self.correlate(x.iter().map(|v| if v.is_finite() { *v } else { 0.0 }), lags);
        let pairs: Vec<f64> = if x.iter().all(|v| v.is_finite()) {
            (0..lags).map(|k| (n - k) as f64).collect()
        } else {
            self.correlate(x.iter().map(|v| f64::from(u8::from(v.is_finite()))), lags)
        };
        let least = (0.1 * pairs.first().copied().unwrap_or(0.0)).max(1.0);
        let mean = |k: usize| if pairs[k] >= least { products[k] / pairs[k] } else { 0.0 };
        let variance = if products.is_empty() { 0.0 } else { mean(0) };
        (0..products.len()).map(|k| if variance > 0.0 { mean(k) / variance } else { 0.0 }).collect()
    }

    /// Returns the sums of products at each lag (Wiener–Khinchin theorem).
    fn correlate(&self, values: impl Iterator<Item = f64>, lags: usize) -> Vec<f64> {
        let mut buffer: Vec<Complex<f64>> = values.map(|v| Complex::new(v, 0.0)).collect();
        buffer.resize(self.size, Complex::new(0.0, 0.0));
        self.transform.process(&mut buffer);
        for c in &mut buffer {
            *c = Complex::new(c.norm_sqr(), 0.0);
        }
        self.transform.process(&mut buffer);
        buffer.iter().take(lags).map(|c| c.re / self.size as f64).collect()
    }
}

/// Returns the lags of local maxima of `acf`, shortest first: the highest within a tenth of the lag on both sides, and
/// clearly above the minimum between half the lag and the lag. `values`: length of the series, which sets the threshold
/// against chance (2.5 standard errors: 1 in 160 lags of white noise passes).
pub(crate) fn peaks(acf: &[f64], least_lag: usize, values: usize) -> Vec<usize> {
    let n = acf.len();
    let chance = (2.5 / (values.max(1) as f64).sqrt()).clamp(0.02, 0.15);
    let mut out = Vec::new();
    let mut k = least_lag.max(2);
    while k + 1 < n {
        let half = (k / 10).max(1);
        // Cheap test first: most lags have a higher neighbour.
        let beside = acf[k - 1] <= acf[k] && acf[k + 1] <= acf[k];
        let highest = || acf[k - half..=k + half].iter().all(|&v| v <= acf[k]);
        if beside && acf[k] > chance && k + half < n && highest() {
            let valley = acf[k / 2..k].iter().copied().fold(f64::INFINITY, f64::min);
            if acf[k] - valley > 0.03 {
                out.push(k);
            }
            k += half;
        }
        k += 1;
    }
    out
}

/// Refines the period at `lag` to a fraction of a step by the peaks at 2, 4, 8 … times the period, as far as they are
/// clear.
pub(crate) fn refine(acf: &[f64], lag: usize) -> f64 {
    let mut period = lag as f64;
    let mut multiple = 2.0;
    loop {
        let centre = period * multiple;
        // The period is known to half a step, so that its double is known to one step; allow twice that, but stay clear
        // of the next multiple. The width must not grow with the multiple: periods of 8 to 12 steps were lost.
        let half = ((0.04 * period).max(1.0) + 1.0).min(0.45 * period);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the length of acf")]
        let (start, end) = ((centre - half).floor().max(0.0) as usize, (centre + half).ceil() as usize);
        if end + 1 >= acf.len() || start + 1 >= end {
            return period;
        }
        let best = (start..=end).max_by(|&a, &b| acf[a].total_cmp(&acf[b]));
        match best {
            Some(best) if best > start && best < end && acf[best] > 0.02 => period = best as f64 / multiple,
            _ => return period,
        }
        multiple *= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn autocorrelation(x: &[f64], max_lag: usize) -> Vec<f64> {
        Correlator::new(x.len()).autocorrelation(x, max_lag)
    }

    #[test]
    fn autocorrelation_of_four_values() {
        // 1, −1, 1, −1: the product of every pair at lag 1 is −1, at lag 2 it is 1.
        let acf = autocorrelation(&[1.0, -1.0, 1.0, -1.0], 3);
        for (k, expected) in [1.0, -1.0, 1.0].into_iter().enumerate() {
            assert!((acf[k] - expected).abs() < 1e-12);
        }
        assert!(autocorrelation(&[], 3).is_empty());
        // With a gap, finite pairs remain: at lag 2 only 1 · 1.
        let acf = autocorrelation(&[1.0, -1.0, 1.0, f64::NAN], 3);
        assert!((acf[0] - 1.0).abs() < 1e-12 && (acf[1] + 1.0).abs() < 1e-12 && (acf[2] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_period_between_two_steps_is_sharpened() {
        let x: Vec<f64> = (0..2_000).map(|t| (f64::from(t) / 85.7 * std::f64::consts::TAU).sin()).collect();
        let acf = autocorrelation(&x, 1_000);
        let lag = peaks(&acf, 4, x.len())[0];
        assert!((refine(&acf, lag) - 85.7).abs() < 0.15);
        for period in [8.0, 10.0, 11.0, 12.0] {
            let x: Vec<f64> = (0..3_000).map(|t| (f64::from(t) / period * std::f64::consts::TAU).sin()).collect();
            let acf = autocorrelation(&x, 1_500);
            assert!((refine(&acf, peaks(&acf, 4, x.len())[0]) - period).abs() < 0.01, "{period}");
        }
    }
}
