//! What forecasts at one lead missed of late, sorted for quantiles, and how often a promise held.

use std::collections::VecDeque;

use crate::forecast::prepare::Space;
use crate::stats::quantile_sorted;

/// Errors without which no quantile is given.
const LEAST: usize = 20;

#[derive(Debug, Clone, Copy)]
struct Pair {
    point: f64,
    actual: f64,
    error: f64,
}

/// The last errors at one lead on the scale of a [`Space`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracker {
    kept: usize,
    pairs: VecDeque<Pair>,
    sorted: Vec<f64>,
    /// Share of earlier errors that each error was not below: uniform when quantiles keep their promise.
    ranks: VecDeque<f64>,
}

impl Tracker {
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept: kept.max(LEAST), ..Self::default() }
    }

    /// Errors that are known.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Learns what came where `point` was foretold.
    pub(crate) fn push(&mut self, space: Space, point: f64, actual: f64) {
        let error = space.forward(actual) - space.forward(point);
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
        self.pairs.push_back(Pair { point, actual, error });
        if self.pairs.len() > self.kept
            && let Some(old) = self.pairs.pop_front()
        {
            let at = self.sorted.partition_point(|e| *e < old.error);
            if at < self.sorted.len() {
                self.sorted.remove(at);
            }
        }
    }

    /// Takes the errors to another scale.
    pub(crate) fn rescale(&mut self, space: Space) {
        for pair in &mut self.pairs {
            pair.error = space.forward(pair.actual) - space.forward(pair.point);
        }
        self.pairs.retain(|p| p.error.is_finite());
        self.sorted = self.pairs.iter().map(|p| p.error).collect();
        self.sorted.sort_unstable_by(f64::total_cmp);
    }

    /// The quantile `p` of the error, by the rank that holds for the next one; `None` with too few errors.
    pub(crate) fn error(&self, p: f64) -> Option<f64> {
        let n = self.sorted.len() as f64;
        if self.sorted.len() < LEAST || !(p > 0.0 && p < 1.0) {
            return None;
        }
        // Conformal: the next error is below the k-th smallest of n with probability k/(n+1).
        let rank = (p * (n + 1.0) - 1.0) / (n - 1.0);
        let inside = quantile_sorted(&self.sorted, rank.clamp(0.0, 1.0))?;
        // Past the extremes: on by the distance to them from the median, as the missing rank asks.
        let middle = quantile_sorted(&self.sorted, 0.5)?;
        let past = (rank - 1.0).max(-rank).max(0.0) * (n - 1.0);
        Some(middle + (inside - middle) * (1.0 + 0.3 * past))
    }

    /// Share of outcomes that did not exceed the quantile `p` promised before they came.
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
        let space = Space::linear(&[-1.0, 1.0]).unwrap();
        let mut tracker = Tracker::new(200);
        // A low-discrepancy sequence in [0, 1): the golden ratio's multiples.
        for i in 0..1_000 {
            tracker.push(space, 0.0, (f64::from(i) * 0.618_033_988_749_895).fract());
        }
        assert!((tracker.error(0.9).unwrap() - 0.9).abs() < 0.02);
        assert!((tracker.coverage(0.9).unwrap() - 0.9).abs() < 0.02);
        assert!(tracker.error(0.999_9).unwrap() > 0.99);
        assert_eq!(tracker.error(1.0), None);
        let wider = Space::linear(&[-10.0, 10.0]).unwrap();
        tracker.rescale(wider);
        assert!((tracker.error(0.9).unwrap() - 0.09).abs() < 0.002);
    }
}
