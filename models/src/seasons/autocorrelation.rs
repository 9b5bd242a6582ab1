//! Autocorrelation of a series with gaps, through the fast Fourier transform.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Autocorrelation at lags `0..max_lag` of `x`, which is centred on 0 and NaN in its gaps; each lag is averaged over
/// the pairs that exist. Lags with fewer than a tenth of all pairs are 0.
pub(crate) fn autocorrelation(x: &[f64], max_lag: usize) -> Vec<f64> {
    let n = x.len();
    let size = (2 * n.max(1)).next_power_of_two();
    let mut planner = FftPlanner::new();
    let forward = planner.plan_fft_forward(size);
    let inverse = planner.plan_fft_inverse(size);
    let correlate = |values: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let mut buffer: Vec<Complex<f64>> = x.iter().map(|&v| Complex::new(values(v), 0.0)).collect();
        buffer.resize(size, Complex::new(0.0, 0.0));
        forward.process(&mut buffer);
        for c in &mut buffer {
            *c = Complex::new(c.norm_sqr(), 0.0);
        }
        inverse.process(&mut buffer);
        buffer.iter().take(max_lag.min(n)).map(|c| c.re / size as f64).collect()
    };
    let products = correlate(&|v| if v.is_finite() { v } else { 0.0 });
    let pairs = correlate(&|v| f64::from(u8::from(v.is_finite())));
    let least = (0.1 * pairs.first().copied().unwrap_or(0.0)).max(1.0);
    let mean = |k: usize| if pairs[k] >= least { products[k] / pairs[k] } else { 0.0 };
    let variance = if products.is_empty() { 0.0 } else { mean(0) };
    (0..products.len()).map(|k| if variance > 0.0 { mean(k) / variance } else { 0.0 }).collect()
}

/// Lags of local maxima of `acf`: highest within a tenth on both sides, and clearly above what lies between it and
/// half of it. Shortest first.
pub(crate) fn peaks(acf: &[f64], least_lag: usize) -> Vec<usize> {
    let n = acf.len();
    let mut out = Vec::new();
    let mut k = least_lag.max(2);
    while k + 1 < n {
        let half = (k / 10).max(1);
        let window = &acf[k - half..(k + half + 1).min(n)];
        let highest = window.iter().all(|&v| v <= acf[k]);
        if highest && acf[k] > 0.02 && k + half < n {
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

/// Sharpens a period found at `lag` by the peaks at its multiples, as far as they are clear.
pub(crate) fn refine(acf: &[f64], lag: usize) -> f64 {
    let mut period = lag as f64;
    let mut multiple = 2.0;
    loop {
        let centre = period * multiple;
        // A peak is known to half a step, which is a whole one at twice its lag; twice as far as that, and never as far as
        // the next multiple: with a width that grew with the multiple, periods of 8 to 12 steps were lost.
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

    #[test]
    fn autocorrelation_of_four_values() {
        // 1, −1, 1, −1: every pair one apart multiplies to −1, two apart to 1.
        let acf = autocorrelation(&[1.0, -1.0, 1.0, -1.0], 3);
        for (k, expected) in [1.0, -1.0, 1.0].into_iter().enumerate() {
            assert!((acf[k] - expected).abs() < 1e-12);
        }
        assert!(autocorrelation(&[], 3).is_empty());
    }

    #[test]
    fn a_period_between_two_steps_is_sharpened() {
        let x: Vec<f64> = (0..2_000).map(|t| (f64::from(t) / 85.7 * std::f64::consts::TAU).sin()).collect();
        let acf = autocorrelation(&x, 1_000);
        let lag = peaks(&acf, 4)[0];
        assert!((refine(&acf, lag) - 85.7).abs() < 0.15);
        for period in [8.0, 10.0, 11.0, 12.0] {
            let x: Vec<f64> = (0..3_000).map(|t| (f64::from(t) / period * std::f64::consts::TAU).sin()).collect();
            let acf = autocorrelation(&x, 1_500);
            assert!((refine(&acf, peaks(&acf, 4)[0]) - period).abs() < 0.01, "{period}");
        }
    }
}
