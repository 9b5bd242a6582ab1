//! Intervals from what the forecast really missed at each lead, its errors standardised by lead and pooled.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::forecast::prepare::Space;
use crate::stats::quantile_sorted;

/// Errors of forecasts from one origin, by lead, on the scale of `Space`; NaN where the truth is missing.
pub(crate) type Errors = Vec<f64>;

/// Quantiles of the error at each lead.
#[derive(Debug, Clone)]
pub(crate) struct Calibration {
    space: Space,
    /// Typical size of the error, by lead.
    scale: Vec<f64>,
    /// Errors over their lead's scale, sorted.
    shape: Vec<f64>,
    /// Widens intervals that few origins support.
    inflate: f64,
}

impl Calibration {
    /// From the errors of several origins of one length; `None` when none is finite.
    pub(crate) fn new(space: Space, errors: &[Errors]) -> Option<Self> {
        let leads = errors.first().map_or(0, Vec::len);
        let mut raw = vec![f64::NAN; leads];
        for (lead, slot) in raw.iter_mut().enumerate() {
            let (mut sum, mut count) = (0.0, 0.0);
            for e in errors.iter().map(|e| e[lead]).filter(|e| e.is_finite()) {
                sum += e.abs();
                count += 1.0;
            }
            if count > 0.0 {
                *slot = sum / count;
            }
        }
        let mean = crate::stats::mean(&raw)?;
        // A lead's own errors are few: neighbours within a quarter of the lead speak for it too.
        let mut scale: Vec<f64> = (0..leads)
            .map(|lead| {
                let half = 1 + lead / 4;
                let near = &raw[lead.saturating_sub(half)..(lead + half + 1).min(leads)];
                crate::stats::mean(near).unwrap_or(mean)
            })
            .collect();
        let floor = (1e-3 * mean).max(f64::MIN_POSITIVE);
        for s in &mut scale {
            *s = s.max(floor);
        }
        let mut shape: Vec<f64> =
            errors.iter().flat_map(|e| e.iter().zip(&scale).map(|(e, s)| e / s)).filter(|e| e.is_finite()).collect();
        shape.sort_unstable_by(f64::total_cmp);
        let inflate = 1.0 + 1.0 / errors.len() as f64;
        (!shape.is_empty()).then_some(Self { space, scale, shape, inflate })
    }

    /// Without a single origin to measure: a random walk with these one-step changes.
    pub(crate) fn from_changes(space: Space, z: &[f64]) -> Self {
        let mut changes: Vec<f64> = z.windows(2).map(|w| w[1] - w[0]).flat_map(|d| [d, -d]).collect();
        changes.push(0.0);
        changes.sort_unstable_by(f64::total_cmp);
        Self { space, scale: vec![1.0, std::f64::consts::SQRT_2], shape: changes, inflate: 1.5 }
    }

    /// The quantile `p` of the value whose point forecast `lead` (from 0) steps ahead is `point`.
    pub(crate) fn quantile(&self, point: f64, lead: usize, p: f64) -> f64 {
        let offset = self.shape_quantile(p) * self.scale_at(lead) * self.inflate;
        self.space.inverse(self.space.forward(point) + offset)
    }

    fn scale_at(&self, lead: usize) -> f64 {
        let n = self.scale.len();
        if let Some(&s) = self.scale.get(lead) {
            return s;
        }
        // Beyond what was measured the error grows as it did over the last half, at most as a random walk's.
        let last = self.scale[n - 1];
        let growth = (last / self.scale[(n - 1) / 2]).log2().clamp(0.1, 0.5);
        last * ((lead + 1) as f64 / n as f64).powf(growth)
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
