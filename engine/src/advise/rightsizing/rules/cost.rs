//! The expected cost of every request as a curve.

use super::{super::cost_of, DecayingHistogram, covering::GROWTH};

/// Buckets above the highest usage that a request may lie in: a factor of e.
const BEYOND: usize = 50;

/// What every request is expected to cost, as [`cost_of`] has it.
#[derive(Debug, Clone)]
pub(super) struct CostCurve {
    /// Requests, ascending by [`GROWTH`]; with each its slack and the share of time above, usage spread as it drifts.
    points: Vec<Point>,
    usage: f64,
    above_cost: f64,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    request: f64,
    slack: f64,
    above: f64,
}

impl CostCurve {
    /// `shares`: of time, by bucket of usage. `spread`: usage may lie higher or lower by this factor's logarithm.
    pub(super) fn new(buckets: &DecayingHistogram, shares: &[f64], above_cost: f64, spread: f64) -> Self {
        let (mut below, mut used) = (0.0, 0.0);
        let plain: Vec<Point> = (0..shares.len() + BEYOND)
            .map(|bucket| {
                let request = buckets.upper_end(bucket);
                let share = shares.get(bucket).copied().unwrap_or(0.0);
                below += share;
                used += share * request;
                let above = f64::max(1.0 - below, 0.0);
                Point { request, slack: 1.0 - (used / request + above), above }
            })
            .collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few buckets; `as` saturates")]
        let shift = (spread / GROWTH).round() as usize;
        // Usage as it was counts half, higher and lower a quarter each.
        let spread_out = |(idx, point): (usize, &Point)| {
            let (low, high) = (plain[idx.saturating_sub(shift)], plain[(idx + shift).min(plain.len() - 1)]);
            let mix = |of: fn(&Point) -> f64| 0.25 * of(&low) + 0.5 * of(point) + 0.25 * of(&high);
            Point { request: point.request, slack: mix(|point| point.slack), above: mix(|point| point.above) }
        };
        Self { points: plain.iter().enumerate().map(spread_out).collect(), usage: used, above_cost }
    }

    /// The request of least cost, of equals the smallest.
    pub(super) fn best(&self) -> f64 {
        let cost = |point: &Point| self.cost_of(point);
        self.points.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).map_or(0.0, |point| point.request)
    }

    pub(super) fn cost(&self, request: f64) -> f64 {
        self.at(request).map_or(0.0, |point| self.cost_of(&Point { request, ..point }))
    }

    pub(super) fn slack(&self, request: f64) -> f64 {
        self.at(request).map_or(0.0, |point| point.slack)
    }

    pub(super) fn above(&self, request: f64) -> f64 {
        self.at(request).map_or(0.0, |point| point.above)
    }

    fn cost_of(&self, point: &Point) -> f64 {
        cost_of(point.slack * point.request, self.usage, point.above, self.above_cost)
    }

    /// The bucket that holds `request`; beyond the last, nothing is above and the rest idles.
    fn at(&self, request: f64) -> Option<Point> {
        // A request that came from a bucket's end lies in it, rounding aside.
        let idx = self.points.partition_point(|point| point.request * (1.0 + 1e-9) < request);
        let last = self.points.last()?;
        Some(self.points.get(idx).copied().unwrap_or_else(|| {
            let slack = 1.0 - (1.0 - last.slack) * last.request / request;
            Point { request, slack, above: last.above }
        }))
    }
}
