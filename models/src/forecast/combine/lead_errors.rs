//! Recent errors at one lead under each transform of a series, and the quantiles derived from them.

use super::tracker::ErrorTracker;
use super::weights::inverse;
use crate::forecast::prepare::Transform;

/// Number of leads that the kept errors should span: errors at neighbouring steps are strongly correlated. Measured
/// effect: `docs/tuning/forecast.md`.
const SPANS: usize = 7;
/// Exponent of the inverse loss in a transform's weight, as for the experts.
const POWER: f64 = 8.0;
/// Probabilities at which the quantile losses of transforms are compared.
const COMPARED: [f64; 2] = [0.1, 0.9];
/// One in this many kept errors updates the losses: a comparison costs more than keeping an error.
const COMPARED_EVERY: usize = 4;
/// Widening of quantiles for each lead-length window of errors: the value at a tail of 0.1 and its increase per unit of
/// ln(0.1 / tail). It matches the caution of the default forecaster's 80 % (0.7) and 95 % (2) intervals.
const CAUTION: (f64, f64) = (0.7, 0.94);

/// Errors at one lead, under one or more transforms.
#[derive(Debug, Clone)]
pub(crate) struct LeadErrors {
    lead: usize,
    /// One in this many errors is kept.
    stride: usize,
    seen: usize,
    /// Errors and exponentially decayed sum of losses, one entry per transform.
    trackers: Vec<(ErrorTracker, f64)>,
    kept: usize,
}

impl LeadErrors {
    /// Creates a record for forecasts `lead` steps ahead, at least 1, of at most `kept` errors.
    pub(crate) fn new(lead: usize, kept: usize) -> Self {
        let stride = (SPANS * lead).div_ceil(kept.max(1)).max(1);
        Self { lead, stride, seen: 0, trackers: vec![(ErrorTracker::new(kept), 0.0)], kept: kept.max(1) }
    }

    pub(crate) fn lead(&self) -> usize {
        self.lead
    }

    /// Adds the observed value `actual` of the forecast `point`.
    pub(crate) fn push(&mut self, transforms: &[Transform], point: f64, actual: f64) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.stride) {
            return;
        }
        let compared = (self.seen / self.stride).is_multiple_of(COMPARED_EVERY);
        let keep = 1.0 - COMPARED_EVERY as f64 / self.kept.max(2 * COMPARED_EVERY) as f64;
        for ((tracker, sum), transform) in self.trackers.iter_mut().zip(transforms) {
            if compared {
                *sum = keep * *sum + loss(tracker, *transform, point, actual).unwrap_or(0.0);
            }
            tracker.push(*transform, point, actual);
        }
    }

    /// Converts the errors to other transforms.
    pub(crate) fn rescale(&mut self, transforms: &[Transform]) {
        if self.trackers.len() != transforms.len() {
            // All transforms track the same forecasts. Losses restart at 0.
            let first = self.trackers.swap_remove(0).0;
            self.trackers = vec![(first, 0.0); transforms.len().max(1)];
        }
        for ((tracker, _), transform) in self.trackers.iter_mut().zip(transforms) {
            tracker.rescale(*transform);
        }
    }

    /// Returns the quantile `p` around the forecast `point`; `None` with too few errors.
    pub(crate) fn quantile(&self, transforms: &[Transform], point: f64, p: f64) -> Option<f64> {
        let p = self.cautious(p);
        let (mut sum, mut total) = (0.0, 0.0);
        for (((tracker, _), transform), weight) in self.trackers.iter().zip(transforms).zip(self.weights()) {
            sum += weight * quantile_around(tracker, *transform, point, p)?;
            total += weight;
        }
        (total > 0.0).then(|| sum / total)
    }

    /// Returns the share of outcomes that did not exceed the quantile `p` predicted for them, under the best transform.
    pub(crate) fn coverage(&self, p: f64) -> Option<f64> {
        let weights = self.weights();
        let best = self.trackers.iter().zip(&weights).max_by(|a, b| a.1.total_cmp(b.1))?;
        best.0.0.coverage(self.cautious(p))
    }

    fn weights(&self) -> Vec<f64> {
        inverse(&self.trackers.iter().map(|(_, loss)| *loss).collect::<Vec<_>>(), POWER)
    }

    /// Returns the probability to read from the errors so that the quantile `p` holds: more extreme, the fewer windows
    /// of the lead's length the errors span.
    fn cautious(&self, p: f64) -> f64 {
        let tail = p.min(1.0 - p);
        let spanned = self.trackers.first().map_or(0, |(tracker, _)| tracker.len()) * self.stride;
        let windows = 1.0 + spanned as f64 / self.lead as f64;
        let caution = (CAUTION.0 + CAUTION.1 * (0.1 / tail).ln()).max(0.0);
        let tail = tail * (1.0 - (caution / windows).min(0.8));
        if p < 0.5 { tail } else { 1.0 - tail }
    }
}

fn quantile_around(tracker: &ErrorTracker, transform: Transform, point: f64, p: f64) -> Option<f64> {
    Some(transform.inverse(transform.forward(point) + tracker.error(p)?))
}

/// Returns the quantile loss of a transform at `actual`, before that value is added.
fn loss(tracker: &ErrorTracker, transform: Transform, point: f64, actual: f64) -> Option<f64> {
    let (centre, mut sum) = (transform.forward(point), 0.0);
    for p in COMPARED {
        let off = actual - transform.inverse(centre + tracker.error(p)?);
        sum += if off >= 0.0 { p * off } else { (p - 1.0) * off };
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_with_the_lower_loss_gets_the_weight() {
        // Errors of constant size at any level: logarithms underestimate them at low points and overestimate them at
        // high ones.
        let y: Vec<f64> = (0..2_000).map(|t| if t % 2 == 0 { 10.0 } else { 1_000.0 }).collect();
        let transforms = [Transform::linear(&y).unwrap(), Transform::log(&y).unwrap()];
        let mut errors = LeadErrors::new(1, 500);
        errors.rescale(&transforms);
        for (t, v) in y.iter().enumerate() {
            errors.push(&transforms, *v, v + 8.0 * (t as f64 * 0.618_033_988_749_895).fract() - 4.0);
        }
        let upper = errors.quantile(&transforms, 1_000.0, 0.9).unwrap();
        assert!((upper - 1_003.2).abs() < 1.0, "{upper}");
        assert!((errors.coverage(0.9).unwrap() - 0.9).abs() < 0.03);
        assert_eq!(LeadErrors::new(3, 500).quantile(&transforms, 1.0, 0.9), None);
    }

    #[test]
    fn few_windows_widen_the_quantiles() {
        let transforms = [Transform::linear(&[-1.0, 1.0]).unwrap()];
        let mut errors = LeadErrors::new(1_000, 200);
        let mut last = f64::NEG_INFINITY;
        for t in 0..2_000 {
            errors.push(&transforms, 0.0, (f64::from(t) * 0.618_033_988_749_895).fract());
        }
        for p in [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99] {
            let q = errors.quantile(&transforms, 0.0, p).unwrap();
            assert!(q >= last && (p - 0.5) * (q - p) >= -0.02, "{p}: {q} after {last}");
            last = q;
        }
    }
}
