//! Intervals of a history that is too short to measure what forecasts missed: those of a random walk.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::forecast::prepare::Space;
use crate::stats::quantile_sorted;

/// Quantiles of a random walk's error at each lead.
#[derive(Debug, Clone)]
pub(crate) struct RandomWalk {
    space: Space,
    /// Changes over a step, sorted.
    shape: Vec<f64>,
}

impl RandomWalk {
    /// A random walk with the one-step changes of `z`.
    pub(crate) fn from_changes(space: Space, z: &[f64]) -> Self {
        let mut changes: Vec<f64> = z.windows(2).map(|w| w[1] - w[0]).flat_map(|d| [d, -d]).collect();
        changes.push(0.0);
        changes.sort_unstable_by(f64::total_cmp);
        Self { space, shape: changes }
    }

    /// The quantile `p` of the value whose point forecast `lead` (from 0) steps ahead is `point`.
    pub(crate) fn quantile(&self, point: f64, lead: usize, p: f64) -> f64 {
        // Half as wide again: nothing was measured.
        let offset = self.shape_quantile(p) * 1.5 * ((lead + 1) as f64).sqrt();
        self.space.inverse(self.space.forward(point) + offset)
    }

    fn shape_quantile(&self, p: f64) -> f64 {
        let n = self.shape.len() as f64;
        let edge = 0.5 / n;
        let inside = quantile_sorted(&self.shape, p.clamp(edge, 1.0 - edge)).unwrap_or(0.0);
        if p < edge || p > 1.0 - edge {
            // Past the largest error seen: as a normal tail would go on.
            let normal = Normal::standard();
            return inside * (normal.inverse_cdf(p) / normal.inverse_cdf(p.clamp(edge, 1.0 - edge))).abs().max(1.0);
        }
        inside
    }
}
