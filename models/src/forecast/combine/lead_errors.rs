//! What forecasts at one lead missed of late, on each scale of the series, and the quantiles that follow.

use super::tracker::Tracker;
use super::weights::inverse;
use crate::forecast::prepare::Space;

/// Horizons that the errors kept at a lead should span: those of neighbouring steps are nearly one error. With 2,000 errors in
/// a row, 17 hours at half a minute, 95 % intervals of a day held 74 %.
const SPANS: usize = 7;
/// Power of the inverse loss that a scale's weight follows, as for other experts.
const POWER: f64 = 8.0;
/// Probabilities at which scales are compared.
const COMPARED: [f64; 2] = [0.1, 0.9];
/// Errors of which one is compared: to compare costs more than to keep.
const COMPARED_EVERY: usize = 4;
/// How much further out a quantile lies for every horizon that was measured: by the tail that it leaves, in the same measure
/// as the default forecaster's 80 % (0.7) and 95 % (2) intervals, straight in the logarithm between and beyond.
const CAUTION: (f64, f64) = (0.7, 0.94);

/// Errors at one lead.
#[derive(Debug, Clone)]
pub(crate) struct LeadErrors {
    lead: usize,
    /// One error in so many is kept.
    stride: usize,
    seen: usize,
    /// For each scale, with the sum of its losses, older ones counting less.
    scales: Vec<(Tracker, f64)>,
    kept: usize,
}

impl LeadErrors {
    /// For forecasts `lead` steps ahead, at least 1, keeping at most `kept` errors.
    pub(crate) fn new(lead: usize, kept: usize) -> Self {
        let stride = (SPANS * lead).div_ceil(kept.max(1)).max(1);
        Self { lead, stride, seen: 0, scales: vec![(Tracker::new(kept), 0.0)], kept: kept.max(1) }
    }

    pub(crate) fn lead(&self) -> usize {
        self.lead
    }

    /// Learns what came where `point` was foretold.
    pub(crate) fn push(&mut self, spaces: &[Space], point: f64, actual: f64) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.stride) {
            return;
        }
        let compared = (self.seen / self.stride).is_multiple_of(COMPARED_EVERY);
        let keep = 1.0 - COMPARED_EVERY as f64 / self.kept.max(2 * COMPARED_EVERY) as f64;
        for ((tracker, sum), space) in self.scales.iter_mut().zip(spaces) {
            if compared {
                *sum = keep * *sum + loss(tracker, *space, point, actual).unwrap_or(0.0);
            }
            tracker.push(*space, point, actual);
        }
    }

    /// Takes the errors to other scales.
    pub(crate) fn rescale(&mut self, spaces: &[Space]) {
        if self.scales.len() != spaces.len() {
            // The errors are the same on each; which scale is better is not known again.
            let first = self.scales.swap_remove(0).0;
            self.scales = vec![(first, 0.0); spaces.len().max(1)];
        }
        for ((tracker, _), space) in self.scales.iter_mut().zip(spaces) {
            tracker.rescale(*space);
        }
    }

    /// The quantile `p` where `point` is foretold; `None` with too few errors.
    pub(crate) fn quantile(&self, spaces: &[Space], point: f64, p: f64) -> Option<f64> {
        let p = self.cautious(p);
        let (mut sum, mut total) = (0.0, 0.0);
        for (((tracker, _), space), weight) in self.scales.iter().zip(spaces).zip(self.weights()) {
            sum += weight * at(tracker, *space, point, p)?;
            total += weight;
        }
        (total > 0.0).then(|| sum / total)
    }

    /// Share of outcomes that did not exceed the quantile `p` promised before they came.
    pub(crate) fn coverage(&self, p: f64) -> Option<f64> {
        let weights = self.weights();
        let best = self.scales.iter().zip(&weights).max_by(|a, b| a.1.total_cmp(b.1))?;
        best.0.0.coverage(self.cautious(p))
    }

    fn weights(&self) -> Vec<f64> {
        inverse(&self.scales.iter().map(|(_, loss)| *loss).collect::<Vec<_>>(), POWER)
    }

    /// The probability that is asked of the errors for `p` to hold: further out, the fewer horizons they span.
    fn cautious(&self, p: f64) -> f64 {
        let tail = p.min(1.0 - p);
        let spanned = self.scales.first().map_or(0, |(tracker, _)| tracker.len()) * self.stride;
        let windows = 1.0 + spanned as f64 / self.lead as f64;
        let caution = (CAUTION.0 + CAUTION.1 * (0.1 / tail).ln()).max(0.0);
        let tail = tail * (1.0 - (caution / windows).min(0.8));
        if p < 0.5 { tail } else { 1.0 - tail }
    }
}

fn at(tracker: &Tracker, space: Space, point: f64, p: f64) -> Option<f64> {
    Some(space.inverse(space.forward(point) + tracker.error(p)?))
}

/// The quantile loss of a scale before it knows `actual`.
fn loss(tracker: &Tracker, space: Space, point: f64, actual: f64) -> Option<f64> {
    let (centre, mut sum) = (space.forward(point), 0.0);
    for p in COMPARED {
        let off = actual - space.inverse(centre + tracker.error(p)?);
        sum += if off >= 0.0 { p * off } else { (p - 1.0) * off };
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_that_loses_less_speaks() {
        // Errors of a constant size at any level: logarithms tell them too small at low points, too large at high ones.
        let y: Vec<f64> = (0..2_000).map(|t| if t % 2 == 0 { 10.0 } else { 1_000.0 }).collect();
        let spaces = [Space::linear(&y).unwrap(), Space::log(&y).unwrap()];
        let mut errors = LeadErrors::new(1, 500);
        errors.rescale(&spaces);
        for (t, v) in y.iter().enumerate() {
            errors.push(&spaces, *v, v + 8.0 * (t as f64 * 0.618_033_988_749_895).fract() - 4.0);
        }
        let upper = errors.quantile(&spaces, 1_000.0, 0.9).unwrap();
        assert!((upper - 1_003.2).abs() < 1.0, "{upper}");
        assert!((errors.coverage(0.9).unwrap() - 0.9).abs() < 0.03);
        assert_eq!(LeadErrors::new(3, 500).quantile(&spaces, 1.0, 0.9), None);
    }

    #[test]
    fn few_horizons_are_met_with_caution() {
        let spaces = [Space::linear(&[-1.0, 1.0]).unwrap()];
        let mut errors = LeadErrors::new(1_000, 200);
        let mut last = f64::NEG_INFINITY;
        for t in 0..2_000 {
            errors.push(&spaces, 0.0, (f64::from(t) * 0.618_033_988_749_895).fract());
        }
        for p in [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99] {
            let q = errors.quantile(&spaces, 0.0, p).unwrap();
            assert!(q >= last && (p - 0.5) * (q - p) >= -0.02, "{p}: {q} after {last}");
            last = q;
        }
    }
}
