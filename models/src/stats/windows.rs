//! Means over windows by cumulative sums.

use std::ops::Range;

/// Means over windows of a series with gaps, each in O(1).
#[derive(Debug, Clone)]
pub(crate) struct WindowMeans {
    /// Sum and number of the finite values before each index.
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl WindowMeans {
    /// Prepares the means of `x`; values that are not finite are skipped.
    pub(crate) fn new(x: &[f64]) -> Self {
        let (mut sums, mut counts) = (Vec::with_capacity(x.len() + 1), Vec::with_capacity(x.len() + 1));
        let (mut sum, mut count) = (0.0, 0);
        sums.push(sum);
        counts.push(count);
        for v in x {
            if v.is_finite() {
                sum += v;
                count += 1;
            }
            sums.push(sum);
            counts.push(count);
        }
        Self { sums, counts }
    }

    /// Returns the mean over the indices of `window`, which must be within the series; NaN where none has a value.
    pub(crate) fn mean(&self, window: Range<usize>) -> f64 {
        let held = self.counts[window.end] - self.counts[window.start];
        if held == 0 { f64::NAN } else { (self.sums[window.end] - self.sums[window.start]) / f64::from(held) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_skipped() {
        let means = WindowMeans::new(&[1.0, f64::NAN, 4.0, f64::INFINITY]);
        assert!((means.mean(0..3) - 2.5).abs() < 1e-12 && (means.mean(2..4) - 4.0).abs() < 1e-12);
        assert!(means.mean(1..2).is_nan() && means.mean(2..2).is_nan());
    }
}
