//! Random-walk intervals, for a history that is too short to measure forecast errors.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::forecast::prepare::Transform;
use crate::stats::quantile_sorted;

/// Quantiles of a random walk's error at each lead.
#[derive(Debug, Clone)]
pub(crate) struct RandomWalk {
    transform: Transform,
    /// Changes over one step with both signs and 0, sorted.
    shape: Vec<f64>,
}

impl RandomWalk {
    /// Creates a symmetric random walk with the one-step changes of `z`.
    pub(crate) fn from_changes(transform: Transform, z: &[f64]) -> Self {
        let mut changes: Vec<f64> = z.windows(2).map(|w| w[1] - w[0]).flat_map(|d| [d, -d]).collect();
        changes.push(0.0);
        changes.sort_unstable_by(f64::total_cmp);
        Self { transform, shape: changes }
    }

    /// Returns the quantile `p` of the value `lead` (from 0) steps ahead, around the forecast `point`.
    pub(crate) fn quantile(&self, point: f64, lead: usize, p: f64) -> f64 {
        // Factor 1.5 as a margin: no error was measured.
        let offset = self.shape_quantile(p) * 1.5 * ((lead + 1) as f64).sqrt();
        self.transform.inverse(self.transform.forward(point) + offset)
    }

    fn shape_quantile(&self, p: f64) -> f64 {
        let n = self.shape.len() as f64;
        let edge = 0.5 / n;
        let inside = quantile_sorted(&self.shape, p.clamp(edge, 1.0 - edge)).unwrap_or(0.0);
        if p < edge || p > 1.0 - edge {
            // Beyond the largest change: extrapolate with a normal tail.
            let normal = Normal::standard();
            return inside * (normal.inverse_cdf(p) / normal.inverse_cdf(p.clamp(edge, 1.0 - edge))).abs().max(1.0);
        }
        inside
    }
}
