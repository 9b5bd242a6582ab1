//! A tail model of a signal: estimates how often a bound is passed, for rules without labelled incidents.

use super::levels::{quantile, round_within, sustained};
use crate::advise::threshold::{Instance, Setting, replay::median_step};

/// Number of expected alerts a year that an unlabelled rule may have.
pub(in crate::advise::threshold) const ALERTS_PER_YEAR_MAX: f64 = 12.0;
/// Quantile of the levels at which the tail begins.
const TAIL_QUANTILE: f64 = 0.98;
/// Minimum number of peaks that a tail is fitted to.
const PEAKS_MIN: usize = 20;
const YEAR_MS: f64 = 31_557_600_000.0;

/// Rate and excess distribution (generalised Pareto) of a signal's peaks above a high level.
///
/// Neighbouring exceedances belong to one peak, so that autocorrelation does not count an event several times.
///
/// # Reference
/// Coles (2001), "An Introduction to Statistical Modeling of Extreme Values", ch. 4 and 5 (peaks over
/// threshold, runs declustering); Hosking & Wallis (1987) for the fit by probability-weighted moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeakTail {
    sign: f64,
    level: f64,
    peaks_per_year: f64,
    scale: f64,
    shape: f64,
}

impl PeakTail {
    /// Fits the tail of the levels that a rule's signal sustains for the rule's `for`. Returns `None` with fewer than
    /// 20 peaks or without spread.
    #[must_use]
    pub fn fit(instances: &[Instance<'_>], setting: &Setting) -> Option<Self> {
        let sign = if setting.comparison.is_upper() { 1.0 } else { -1.0 };
        let (mut all, mut span_ms, mut series) = (Vec::new(), 0.0_f64, Vec::new());
        for instance in instances {
            let levels = sustained(instance, setting.for_ms, sign);
            all.extend(levels.iter().copied().filter(|level| level.is_finite()));
            let (first, last) = (instance.timestamps.first()?, instance.timestamps.last()?);
            #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
            let length = (last - first) as f64;
            span_ms = span_ms.max(length);
            series.push((instance.timestamps, levels));
        }
        all.sort_unstable_by(f64::total_cmp);
        let level = quantile(&all, TAIL_QUANTILE)?;
        let mut excesses: Vec<f64> = Vec::new();
        for (timestamps, levels) in &series {
            // Exceedances closer than ten steps (or the `for`) form one peak.
            let apart_ms = (10 * median_step(timestamps)).max(setting.for_ms);
            excesses.extend(peaks(timestamps, levels, level, apart_ms));
        }
        if excesses.len() < PEAKS_MIN || span_ms <= 0.0 {
            return None;
        }
        let (scale, shape) = generalised_pareto(&mut excesses)?;
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let peaks_per_year = excesses.len() as f64 * YEAR_MS / span_ms;
        Some(Self { sign, level, peaks_per_year, scale, shape })
    }

    /// Returns the expected number of peaks a year that pass `bound`; `None` for a bound below the tail.
    #[must_use]
    pub fn alerts_per_year(&self, bound: f64) -> Option<f64> {
        let above = self.sign * bound - self.level;
        if above.is_nan() || above < 0.0 {
            return None;
        }
        let survival = if self.shape.abs() < 1e-6 {
            (-above / self.scale).exp()
        } else {
            (1.0 + self.shape * above / self.scale).max(0.0).powf(-1.0 / self.shape)
        };
        Some(self.peaks_per_year * survival)
    }

    /// Returns the bound that `per_year` peaks a year are expected to pass, rounded to few digits.
    #[must_use]
    pub fn bound(&self, per_year: f64) -> f64 {
        let rarity = (self.peaks_per_year / per_year).max(1.0);
        let above = if self.shape.abs() < 1e-6 {
            self.scale * rarity.ln()
        } else {
            self.scale / self.shape * (rarity.powf(self.shape) - 1.0)
        };
        let bound = self.sign * (self.level + above);
        let slack = 0.1 * self.scale;
        round_within(bound, bound - slack, bound + slack)
    }
}

/// Returns the heights of the peaks above `level`. Exceedances at most `apart_ms` apart belong to one peak.
fn peaks(timestamps: &[i64], levels: &[f64], level: f64, apart_ms: i64) -> Vec<f64> {
    let mut peaks: Vec<f64> = Vec::new();
    let mut last_ms: Option<i64> = None;
    for (&at_ms, &height) in timestamps.iter().zip(levels).filter(|(_, height)| **height > level) {
        match (peaks.last_mut(), last_ms) {
            (Some(peak), Some(last)) if at_ms - last <= apart_ms => *peak = peak.max(height - level),
            _ => peaks.push(height - level),
        }
        last_ms = Some(at_ms);
    }
    peaks
}

/// Fits scale and shape ξ by probability-weighted moments. The shape is limited to [0, 0.5]: a bounded tail (ξ < 0)
/// would imply that some bound is never passed, which no finite history can show.
fn generalised_pareto(excesses: &mut [f64]) -> Option<(f64, f64)> {
    excesses.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let n = excesses.len() as f64;
    let mean = excesses.iter().sum::<f64>() / n;
    let mut weighted = 0.0;
    for (rank, excess) in excesses.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a rank")]
        let exceeding = 1.0 - (rank as f64 + 0.65) / n;
        weighted += excess * exceeding / n;
    }
    let denominator = mean - 2.0 * weighted;
    if denominator.is_nan() || denominator <= 0.0 {
        return None;
    }
    let shape = (2.0 - mean / denominator).clamp(0.0, 0.5);
    // Keeps the mean, scale/(1 − ξ), after the shape was limited.
    let scale = mean * (1.0 - shape);
    (scale > 0.0 && scale.is_finite()).then_some((scale, shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::Comparison;
    use rand::{Rng, SeedableRng};

    fn exponential_noise(n: usize) -> (Vec<i64>, Vec<f64>) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        let times = (0..).map(|minute: i64| minute * 60_000).take(n).collect();
        (times, (0..n).map(|_| -(1.0 - rng.random::<f64>()).ln()).collect())
    }

    fn setting(comparison: Comparison) -> Setting {
        Setting { comparison, bound: 0.0, for_ms: 0, keep_firing_for_ms: 0 }
    }

    /// Independent exponential values each minute: 525,960·e^{−b} a year pass b.
    #[test]
    fn a_known_law() {
        let (timestamps, values) = exponential_noise(100_000);
        let tail =
            PeakTail::fit(&[Instance { timestamps: &timestamps, values: &values }], &setting(Comparison::Greater))
                .unwrap();
        let truth = (525_960.0_f64 / 12.0).ln();
        assert!((tail.bound(12.0) - truth).abs() < 1.0, "{} {truth}", tail.bound(12.0));
        let at_truth = tail.alerts_per_year(truth).unwrap();
        assert!((5.0..40.0).contains(&at_truth), "{at_truth}");
        assert_eq!(tail.alerts_per_year(0.0), None);
    }

    #[test]
    fn the_lower_tail_mirrors_the_upper() {
        let (timestamps, values) = exponential_noise(20_000);
        let negated: Vec<f64> = values.iter().map(|value| -value).collect();
        let fit = |values: &[f64], comparison| {
            PeakTail::fit(&[Instance { timestamps: &timestamps, values }], &setting(comparison)).unwrap().bound(12.0)
        };
        let sum = fit(&values, Comparison::Greater) + fit(&negated, Comparison::Less);
        assert!(sum.abs() < 1e-12, "{sum}");
    }

    #[test]
    fn a_constant_has_no_tail() {
        let timestamps: Vec<i64> = (0..1_000).collect();
        let values = vec![1.0; 1_000];
        assert_eq!(
            PeakTail::fit(&[Instance { timestamps: &timestamps, values: &values }], &setting(Comparison::Greater)),
            None
        );
    }
}
