//! The rule of Kubernetes' vertical pod autoscaler, for comparison. Called by `leading` and `decide`.

use std::collections::VecDeque;

use super::{ContainerResource, DecayingHistogram, HistogramOptions, RequestRule, histogram::ms_to_f64};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTES_A_DAY: f64 = 1_440.0;

/// Margin above the histogram's quantile.
const MARGIN: f64 = 0.15;
/// Quantiles of the target, and of the range outside of which a container is restarted at once.
const TARGET: f64 = 0.9;
const LOWER: f64 = 0.5;
const UPPER: f64 = 0.95;
/// Minimum lifetime and minimum relative difference for a restart inside the range.
const LIFETIME_MS: i64 = 12 * HOUR_MS;
const DIFFERENCE: f64 = 0.1;
/// Number of daily memory peaks that are kept.
const PEAKS: usize = 8;

/// The rule of Kubernetes' vertical pod autoscaler: the 90 % quantile of a decaying histogram plus 15 %, of usage for
/// CPU and of daily peaks for memory. It is bounded by the 50 % and 95 % quantiles, which are widened while the history
/// is short.
///
/// The minimum request per pod and the reaction to out-of-memory kills are not modelled: recorded usage contains no
/// kills.
///
/// # Reference
/// kubernetes/autoscaler, vertical-pod-autoscaler: flags of the recommender (`target-cpu-percentile` and related,
/// `recommendation-margin-fraction`, histogram half-lives) and of the updater (`pod-update-threshold`,
/// `in-recommendation-bounds-eviction-lifetime-threshold`).
#[derive(Debug, Clone)]
pub struct Vpa {
    resource: ContainerResource,
    histogram: HistogramOptions,
    usage: DecayingHistogram,
    /// Day numbers and their highest usage; the last day is incomplete.
    peaks: VecDeque<(i64, f64)>,
    first_ms: Option<i64>,
    last_ms: i64,
    /// Minutes with observed usage; a gap counts at most an hour. The original counts samples, one per minute.
    minutes: f64,
    changed_ms: Option<i64>,
}

/// Target and range of the autoscaler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VpaRange {
    /// Request of a new container.
    pub target: f64,
    /// Lower end; a container below it is restarted at once.
    pub lower: f64,
    /// Upper end; a container above it is restarted at once.
    pub upper: f64,
}

impl Vpa {
    /// Creates a rule without observations.
    #[must_use]
    pub fn new(resource: ContainerResource) -> Self {
        let first_bucket = match resource {
            ContainerResource::Cpu => 0.01,
            ContainerResource::Memory => 1e7,
        };
        let histogram = HistogramOptions { first_bucket, growth: 0.05, half_life_ms: DAY_MS };
        Self {
            resource,
            histogram,
            usage: DecayingHistogram::new(histogram),
            peaks: VecDeque::new(),
            first_ms: None,
            last_ms: 0,
            minutes: 0.0,
            changed_ms: None,
        }
    }

    /// Returns the present recommendation. None before the first usage.
    #[must_use]
    pub fn range(&self) -> Option<VpaRange> {
        let first_ms = self.first_ms?;
        let days = ms_to_f64(self.last_ms - first_ms) / ms_to_f64(DAY_MS);
        let confidence = days.min(self.minutes / MINUTES_A_DAY);
        let with_margin = |p: f64| self.quantile(p).map(|value| value * (1.0 + MARGIN));
        Some(VpaRange {
            target: with_margin(TARGET)?,
            lower: with_margin(LOWER)? * (1.0 + 0.001 / confidence).powi(-2),
            upper: with_margin(UPPER)? * (1.0 + 1.0 / confidence),
        })
    }

    fn quantile(&self, p: f64) -> Option<f64> {
        match self.resource {
            ContainerResource::Cpu => self.usage.quantile(p),
            ContainerResource::Memory => {
                // A growing peak is one sample, so the histogram is rebuilt from the few peaks.
                let mut peaks = DecayingHistogram::new(self.histogram);
                self.peaks.iter().for_each(|&(day, peak)| peaks.add(day * DAY_MS, peak));
                peaks.quantile(p)
            }
        }
    }
}

impl RequestRule for Vpa {
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64> {
        let VpaRange { target, lower, upper } = self.range()?;
        if let (Some(current), Some(changed_ms)) = (current, self.changed_ms) {
            let outside = current < lower || current > upper;
            let differs = (target - current).abs() >= DIFFERENCE * current;
            if !(outside || (differs && at_ms - changed_ms >= LIFETIME_MS)) {
                return Some(current);
            }
        }
        if current != Some(target) {
            self.changed_ms = Some(at_ms);
        }
        Some(target)
    }

    fn observe(&mut self, at_ms: i64, usage: f64) {
        self.first_ms.get_or_insert(at_ms);
        if self.minutes > 0.0 {
            self.minutes += ms_to_f64((at_ms - self.last_ms).min(HOUR_MS)) / 60_000.0;
        } else {
            self.minutes = 1.0;
        }
        self.last_ms = at_ms;
        match self.resource {
            ContainerResource::Cpu => self.usage.add(at_ms, usage),
            ContainerResource::Memory => {
                let day = at_ms.div_euclid(DAY_MS);
                match self.peaks.back_mut() {
                    Some(last) if last.0 == day => last.1 = last.1.max(usage),
                    _ => self.peaks.push_back((day, usage)),
                }
                if self.peaks.len() > PEAKS {
                    self.peaks.pop_front();
                }
            }
        }
    }
}
