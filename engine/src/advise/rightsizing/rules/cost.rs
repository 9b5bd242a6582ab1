//! Expected cost of every request, as a curve over requests. Built by `covering` at each decision.

use super::{super::cost_of, DecayingHistogram};

/// Relative growth of a bucket: fine compared with the margins, and ten decades still take only a thousand
/// buckets.
pub(super) const BUCKET_GROWTH: f64 = 0.02;
/// Number of buckets above the highest usage: a factor of e.
const BUCKETS_BEYOND: usize = 50;

/// Expected cost of every request, by [`cost_of`].
#[derive(Debug, Clone)]
pub(super) struct CostCurve {
    /// Points with requests ascending by [`BUCKET_GROWTH`], each with its idle share and its share of time with usage
    /// above.
    points: Vec<CostPoint>,
    usage: f64,
    above_cost: f64,
}

#[derive(Debug, Clone, Copy)]
struct CostPoint {
    request: f64,
    slack: f64,
    above: f64,
}

impl CostCurve {
    /// Computes the curve. `shares`: share of time in each bucket of usage. `spread`: usage may be higher or lower by
    /// this logarithm.
    pub(super) fn new(buckets: &DecayingHistogram, shares: &[f64], above_cost: f64, spread: f64) -> Self {
        let (mut below, mut used) = (0.0, 0.0);
        let plain: Vec<CostPoint> = (0..shares.len() + BUCKETS_BEYOND)
            .map(|bucket| {
                let request = buckets.upper_end(bucket);
                let share = shares.get(bucket).copied().unwrap_or(0.0);
                below += share;
                used += share * request;
                let above = f64::max(1.0 - below, 0.0);
                CostPoint { request, slack: 1.0 - (used / request + above), above }
            })
            .collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few buckets; `as` saturates")]
        let shift = (spread / BUCKET_GROWTH).round() as usize;
        // Observed usage has weight one half, shifted usage one quarter on each side.
        let spread_out = |(idx, point): (usize, &CostPoint)| {
            let (low, high) = (plain[idx.saturating_sub(shift)], plain[(idx + shift).min(plain.len() - 1)]);
            let mix = |of: fn(&CostPoint) -> f64| 0.25 * of(&low) + 0.5 * of(point) + 0.25 * of(&high);
            CostPoint { request: point.request, slack: mix(|point| point.slack), above: mix(|point| point.above) }
        };
        Self { points: plain.iter().enumerate().map(spread_out).collect(), usage: used, above_cost }
    }

    /// Returns the request of minimum cost, the smallest of equals.
    pub(super) fn best(&self) -> f64 {
        let cost = |point: &CostPoint| self.cost_of(point);
        self.points.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).map_or(0.0, |point| point.request)
    }

    pub(super) fn cost(&self, request: f64) -> f64 {
        self.at(request).map_or(0.0, |point| self.cost_of(&CostPoint { request, ..point }))
    }

    pub(super) fn slack(&self, request: f64) -> f64 {
        self.at(request).map_or(0.0, |point| point.slack)
    }

    pub(super) fn above(&self, request: f64) -> f64 {
        self.at(request).map_or(0.0, |point| point.above)
    }

    fn cost_of(&self, point: &CostPoint) -> f64 {
        cost_of(point.slack * point.request, self.usage, point.above, self.above_cost)
    }

    /// Returns the point of the bucket that contains `request`. Beyond the last bucket usage never exceeds the request.
    fn at(&self, request: f64) -> Option<CostPoint> {
        // The tolerance keeps a request that equals a bucket's end in that bucket.
        let idx = self.points.partition_point(|point| point.request * (1.0 + 1e-9) < request);
        let last = self.points.last()?;
        Some(self.points.get(idx).copied().unwrap_or_else(|| {
            let slack = 1.0 - (1.0 - last.slack) * last.request / request;
            CostPoint { request, slack, above: last.above }
        }))
    }
}
