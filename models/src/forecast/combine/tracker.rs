//! Recent forecast errors at one lead under one transform: their quantiles and the measured coverage.

use std::collections::VecDeque;

use crate::forecast::prepare::Transform;
use crate::stats::quantile_sorted;

/// Minimum number of errors for a quantile.
const LEAST: usize = 20;

/// A forecast, its observed value and its error in transformed units.
#[derive(Debug, Clone, Copy)]
struct TrackedForecast {
    point: f64,
    actual: f64,
    error: f64,
}

/// The latest errors at one lead, in the units of a [`Transform`].
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorTracker {
    kept: usize,
    /// Oldest first.
    pairs: VecDeque<TrackedForecast>,
    /// The errors of `pairs`, sorted.
    sorted: Vec<f64>,
    /// Rank of each error among the earlier ones, as a share: uniform when quantiles are calibrated.
    ranks: VecDeque<f64>,
}

impl ErrorTracker {
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept: kept.max(LEAST), ..Self::default() }
    }

    /// Returns the number of known errors.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Adds the observed value `actual` of the forecast `point`. A missing value is ignored.
    pub(crate) fn push(&mut self, transform: Transform, point: f64, actual: f64) {
        let error = transform.forward(actual) - transform.forward(point);
        if !error.is_finite() {
            return;
        }
        let at = self.sorted.partition_point(|e| *e < error);
        if self.sorted.len() >= LEAST {
            self.ranks.push_back(at as f64 / self.sorted.len() as f64);
            if self.ranks.len() > self.kept {
                self.ranks.pop_front();
            }
        }
        self.sorted.insert(at, error);
        self.pairs.push_back(TrackedForecast { point, actual, error });
        if self.pairs.len() > self.kept
            && let Some(old) = self.pairs.pop_front()
        {
            let at = self.sorted.partition_point(|e| *e < old.error);
            if at < self.sorted.len() {
                self.sorted.remove(at);
            }
        }
    }

    /// Converts the errors to another transform.
    pub(crate) fn rescale(&mut self, transform: Transform) {
        for pair in &mut self.pairs {
            pair.error = transform.forward(pair.actual) - transform.forward(pair.point);
        }
        self.pairs.retain(|p| p.error.is_finite());
        self.sorted = self.pairs.iter().map(|p| p.error).collect();
        self.sorted.sort_unstable_by(f64::total_cmp);
    }

    /// Returns the quantile `p` of the next error; `None` with too few errors or for `p` outside (0, 1).
    pub(crate) fn error(&self, p: f64) -> Option<f64> {
        let n = self.sorted.len() as f64;
        if self.sorted.len() < LEAST || !(p > 0.0 && p < 1.0) {
            return None;
        }
        // Conformal prediction: the next error is below the k-th smallest of n with probability k/(n+1).
        let rank = (p * (n + 1.0) - 1.0) / (n - 1.0);
        let inside = quantile_sorted(&self.sorted, rank.clamp(0.0, 1.0))?;
        // Beyond the extremes: extend the distance from the median by 0.3 per missing rank.
        let middle = quantile_sorted(&self.sorted, 0.5)?;
        let past = (rank - 1.0).max(-rank).max(0.0) * (n - 1.0);
        Some(middle + (inside - middle) * (1.0 + 0.3 * past))
    }

    /// Returns the share of outcomes that did not exceed the quantile `p` predicted for them.
    pub(crate) fn coverage(&self, p: f64) -> Option<f64> {
        if self.ranks.len() < LEAST {
            return None;
        }
        Some(self.ranks.iter().filter(|r| **r <= p).count() as f64 / self.ranks.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_coverage_of_uniform_errors() {
        let transform = Transform::linear(&[-1.0, 1.0]).unwrap();
        let mut tracker = ErrorTracker::new(200);
        // A low-discrepancy sequence in [0, 1): fractions of multiples of the golden ratio.
        for i in 0..1_000 {
            tracker.push(transform, 0.0, (f64::from(i) * 0.618_033_988_749_895).fract());
        }
        assert!((tracker.error(0.9).unwrap() - 0.9).abs() < 0.02);
        assert!((tracker.coverage(0.9).unwrap() - 0.9).abs() < 0.02);
        assert!(tracker.error(0.999_9).unwrap() > 0.99);
        assert_eq!(tracker.error(1.0), None);
        let wider = Transform::linear(&[-10.0, 10.0]).unwrap();
        tracker.rescale(wider);
        assert!((tracker.error(0.9).unwrap() - 0.09).abs() < 0.002);
    }
}
