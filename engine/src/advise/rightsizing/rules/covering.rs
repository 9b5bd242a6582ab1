//! The rule that requests what costs least over the next day, from decaying histograms of the usage. Called by
//! `leading`, and by `decide` for its own figures.

use std::collections::VecDeque;

use almanac_models::stats::quantile;

use super::{
    ContainerResource, DecayingHistogram, HistogramOptions, RequestRule,
    cost::{BUCKET_GROWTH, CostCurve},
    histogram::ms_to_f64,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Horizon of a forecast.
const HORIZON_MS: i64 = DAY_MS;
/// Half-lives of the averaged histograms. Tried values: `docs/tuning/rightsizing.md`.
const HALF_LIVES_MS: [i64; 4] = [DAY_MS / 2, DAY_MS, 3 * DAY_MS, 14 * DAY_MS];
/// Number of hourly forecasts after which an older one has weight 1/e: a week.
const DRIFT_MEMORY: f64 = 168.0;
/// Part of the mean drift between days by which usage is shifted up and down. Tried values:
/// `docs/tuning/rightsizing.md`.
const DRIFT_SHARE: f64 = 0.3;
/// Drift before any is measured, as a logarithm.
const INITIAL_DRIFT: f64 = 0.15;
/// Minimum saving of a change, in units of the mean usage.
pub(in crate::advise::rightsizing) const MIN_SAVING: f64 = 0.05;
/// Minimum lifetime of a request, as in the vertical pod autoscaler, unless usage exceeds it.
const MIN_LIFETIME_MS: i64 = 12 * HOUR_MS;
/// Cost of an hour of waiting for CPU, in hours of idle mean usage. Tried values: `docs/tuning/rightsizing.md`.
const CPU_WAIT_COST: f64 = 6.0;
/// Cost of running out of memory relative to waiting for CPU: a memory request is then above every observed usage.
const OUT_OF_MEMORY_FACTOR: f64 = 50.0;
/// Default span of the history whose peak is the minimum memory request.
const PEAK_MS: i64 = 28 * DAY_MS;
/// Initial growth of a memory peak, as in the vertical pod autoscaler and KRR. It decays over [`GROWTH_DAYS`] days of
/// forecasts, after which the largest measured growth is more reliable.
const INITIAL_PEAK_GROWTH: f64 = 0.15;
const GROWTH_DAYS: f64 = 14.0;
/// Maximum growth, as a logarithm (28 %): one step to a new level must not double the request.
const MAX_PEAK_GROWTH: f64 = 0.25;

/// Options of [`Covering`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoveringOptions {
    /// Resource of the request.
    pub resource: ContainerResource,
    /// Cost of an hour with usage above the request, in hours of idle mean usage; positive.
    pub above_cost: f64,
    /// Deployment time of the present version. A day after it, memory peaks from before no longer count.
    pub deployed_ms: Option<i64>,
    /// Minimum request, in cores or bytes.
    pub least: f64,
    /// Span of the history whose peak a memory request covers.
    pub peak_ms: i64,
}

impl CoveringOptions {
    /// Returns the default costs.
    #[must_use]
    pub fn new(resource: ContainerResource) -> Self {
        let above_cost = match resource {
            ContainerResource::Cpu => CPU_WAIT_COST,
            ContainerResource::Memory => CPU_WAIT_COST * OUT_OF_MEMORY_FACTOR,
        };
        Self { resource, above_cost, deployed_ms: None, least: resource.usual_least(), peak_ms: PEAK_MS }
    }
}

/// Requests what costs least over the next day: idle capacity against the time that usage exceeds the request.
///
/// The usage forecast is the average of decaying histograms of several half-lives, spread by the mean drift between
/// days. The margin follows the tail: usage that concentrates just above a quantile is covered, rare high peaks are
/// not. A request changes only when that saves more than a twentieth of the usage, or when usage has exceeded it for
/// most of an hour. A memory request is never below the peak plus the largest growth of a day's peak over the peak
/// known before.
///
/// # Reference
/// Rzadca et al. (2020), Autopilot: requests from decaying histograms, by the cost of idle capacity against shortage.
/// Deviates: the histograms are averaged, and the margins are the measured drift and growth.
#[derive(Debug, Clone)]
pub struct Covering {
    options: CoveringOptions,
    histograms: Vec<DecayingHistogram>,
    pending: VecDeque<PendingPeak>,
    /// Usage over the span of the peak and one more day, for memory peaks and for judging forecasts.
    usage: VecDeque<(i64, f64)>,
    peak_since_deployed: f64,
    /// Time with observed usage since the deployment; a gap counts at most an hour.
    seen_since_deployed_ms: i64,
    /// Whether usage from before the deployment was dropped.
    has_restarted: bool,
    first_ms: Option<i64>,
    drift: f64,
    /// Largest growth of a day's peak over the peak known before, as a logarithm, and the number of judged days.
    peak_growth: f64,
    judged_days: f64,
    judged_ms: Option<i64>,
    decided_ms: Option<i64>,
    changed_ms: Option<i64>,
    /// Median usage of the last hour.
    last_hour: f64,
    /// A request below this is too small now, whatever a change saves.
    shortfall: f64,
    /// Expected cost of every request at the last decision.
    curve: Option<CostCurve>,
}

/// A day whose peak is not known yet.
#[derive(Debug, Clone, Copy)]
struct PendingPeak {
    at_ms: i64,
    /// Highest usage of the history before that day.
    peak: f64,
}

/// Expected figures of a request over the horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Idle share of the request.
    pub slack: f64,
    /// Share of time with usage above the request.
    pub above: f64,
}

fn histogram(half_life_ms: i64) -> DecayingHistogram {
    // The first bucket is far below any container's usage, in cores and in bytes.
    DecayingHistogram::new(HistogramOptions { first_bucket: 1e-6, growth: BUCKET_GROWTH, half_life_ms })
}

impl Covering {
    /// Creates a rule without observations.
    #[must_use]
    pub fn new(options: CoveringOptions) -> Self {
        Self {
            options,
            histograms: HALF_LIVES_MS.map(histogram).to_vec(),
            pending: VecDeque::new(),
            usage: VecDeque::new(),
            peak_since_deployed: 0.0,
            seen_since_deployed_ms: 0,
            has_restarted: false,
            first_ms: None,
            drift: INITIAL_DRIFT,
            peak_growth: 0.0,
            judged_days: 0.0,
            judged_ms: None,
            decided_ms: None,
            changed_ms: None,
            last_hour: 0.0,
            shortfall: 0.0,
            curve: None,
        }
    }

    /// Returns the expected figures of `request` over the horizon at the last decision. None before the first one.
    #[must_use]
    pub fn expects(&self, request: f64) -> Option<Expected> {
        self.curve.as_ref().map(|curve| Expected { slack: curve.slack(request), above: curve.above(request) })
    }

    /// Returns the mean distance of one day's busy usage from the next day's, as a logarithm.
    #[must_use]
    pub fn drift(&self) -> f64 {
        self.drift
    }

    /// Returns whether usage exceeded `request` for most of the hour before the last decision.
    #[must_use]
    pub fn exceeds(&self, request: f64) -> bool {
        self.last_hour > request
    }

    /// Returns whether the rule's own request was too small at the last decision: CPU usage exceeded it for most of the
    /// last hour, or memory used more than half of the margin above its peak.
    fn falls_short(&self, request: f64) -> bool {
        request < self.shortfall
    }

    /// Returns the usage from `from_ms` to before `to_ms`.
    fn window(&self, from_ms: i64, to_ms: i64) -> Vec<f64> {
        let at = |ms: i64| self.usage.partition_point(|&(seen_ms, _)| seen_ms < ms);
        self.usage.range(at(from_ms)..at(to_ms).max(at(from_ms))).map(|&(_, usage)| usage).collect()
    }

    /// Updates drift and peak growth from every day that has ended.
    fn learn_from_past_days(&mut self, at_ms: i64) {
        while self.pending.front().is_some_and(|pending| pending.at_ms + HORIZON_MS <= at_ms) {
            let Some(PendingPeak { at_ms: from_ms, peak }) = self.pending.pop_front() else { return };
            let window = self.window(from_ms, from_ms + HORIZON_MS);
            if window.is_empty() {
                continue;
            }
            let reached = window.iter().copied().fold(0.0, f64::max);
            // A peak of less than a day of history is not comparable.
            if self.first_ms.is_some_and(|first_ms| from_ms - first_ms >= DAY_MS) {
                let growth = if peak > 0.0 { (reached / peak).ln().clamp(0.0, MAX_PEAK_GROWTH) } else { 0.0 };
                self.peak_growth = self.peak_growth.max(growth);
                let since_ms = self.judged_ms.replace(from_ms).map_or(0, |before_ms| from_ms - before_ms);
                self.judged_days += ms_to_f64(since_ms.min(DAY_MS)) / ms_to_f64(DAY_MS);
            }
            // Busy usage is the 0.9 quantile of a day: its maximum would be noise.
            let before = self.window(from_ms - DAY_MS, from_ms);
            let busy = quantile(&window, 0.9).zip(quantile(&before, 0.9));
            if let Some((after, before)) = busy.filter(|&(after, before)| after > 0.0 && before > 0.0) {
                self.drift += ((after / before).ln().abs().min(1.0) - self.drift) / DRIFT_MEMORY;
            }
        }
    }

    /// Returns the expected cost of every request if the next day is like the average of the histograms.
    fn curve(&self) -> CostCurve {
        let n = f64::from(u32::try_from(self.histograms.len()).unwrap_or(u32::MAX));
        let mut mixture = Vec::new();
        for histogram in &self.histograms {
            for (bucket, share) in histogram.shares().enumerate() {
                if mixture.len() <= bucket {
                    mixture.push(0.0);
                }
                mixture[bucket] += share / n;
            }
        }
        CostCurve::new(&self.histograms[0], &mixture, self.options.above_cost, DRIFT_SHARE * self.drift)
    }

    /// Restarts the histograms with the usage of a new version, a day after its deployment, for memory only. CPU usage
    /// depends more on the load than on the version, and a day of it is too little.
    fn restart_for_version(&mut self) {
        let Some(deployed_ms) = self.options.deployed_ms.filter(|_| self.has_seen_version()) else { return };
        if self.has_restarted || self.options.resource == ContainerResource::Cpu {
            return;
        }
        self.has_restarted = true;
        self.histograms = HALF_LIVES_MS.map(histogram).to_vec();
        let from = self.usage.partition_point(|&(seen_ms, _)| seen_ms < deployed_ms);
        for &(seen_ms, usage) in self.usage.range(from..) {
            self.histograms.iter_mut().for_each(|histogram| histogram.add(seen_ms, usage));
        }
    }

    /// Returns whether a day's usage of the present version was observed.
    fn has_seen_version(&self) -> bool {
        self.seen_since_deployed_ms >= DAY_MS
    }

    fn recent_peak(&self, at_ms: i64) -> f64 {
        let recent = self.usage.iter().filter(|&&(seen_ms, _)| at_ms - seen_ms <= self.options.peak_ms);
        recent.map(|&(_, usage)| usage).fold(0.0, f64::max)
    }

    /// Returns the minimum memory request and its possible growth, as a logarithm. Both are 0 for CPU. The minimum is
    /// the peak of the configured history, or since a deployment that is observed for a day.
    fn peak(&self, at_ms: i64) -> (f64, f64) {
        match self.options.resource {
            ContainerResource::Cpu => (0.0, 0.0),
            ContainerResource::Memory => {
                let peak = if self.has_seen_version() { self.peak_since_deployed } else { self.recent_peak(at_ms) };
                let unknown = INITIAL_PEAK_GROWTH.ln_1p() / (1.0 + self.judged_days / GROWTH_DAYS);
                (peak, self.peak_growth.max(unknown))
            }
        }
    }
}

impl RequestRule for Covering {
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64> {
        let decided = self.decided_ms.is_some_and(|decided_ms| at_ms - decided_ms < HOUR_MS);
        if self.usage.is_empty() || decided {
            return current;
        }
        self.decided_ms = Some(at_ms);
        // Past days are judged before the new one is added, so that every decision is causal.
        self.learn_from_past_days(at_ms);
        self.restart_for_version();
        let curve = self.curve();
        self.pending.push_back(PendingPeak { at_ms, peak: self.recent_peak(at_ms) });
        let usual = quantile(&self.window(at_ms - HOUR_MS, at_ms), 0.5).unwrap_or(0.0);
        let (peak, growth) = self.peak(at_ms);
        self.last_hour = usual;
        // The shortfall allows half of the margin, so that not every new peak changes the request.
        self.shortfall = usual.max(peak * (growth / 2.0).exp());
        let short = current.is_some_and(|current| usual > current);
        // A new level takes hours to gain weight in the histograms; until then the last hour's usage is the minimum.
        let seen = if short { usual * (DRIFT_SHARE * self.drift).exp() } else { 0.0 };
        let wanted = curve.best().max(peak * growth.exp()).max(seen);
        let keeps = current.is_some_and(|current| {
            let lived = self.changed_ms.is_none_or(|changed_ms| at_ms - changed_ms >= MIN_LIFETIME_MS);
            !(self.falls_short(current) || (lived && curve.cost(current) - curve.cost(wanted) > MIN_SAVING))
        });
        let request = if keeps { current } else { Some(wanted) };
        if !keeps {
            self.changed_ms = Some(at_ms);
        }
        self.curve = Some(curve);
        request
    }

    fn observe(&mut self, at_ms: i64, usage: f64) {
        self.histograms.iter_mut().for_each(|histogram| histogram.add(at_ms, usage));
        if self.options.deployed_ms.is_some_and(|deployed_ms| at_ms >= deployed_ms) {
            self.peak_since_deployed = self.peak_since_deployed.max(usage);
            let before_ms = self.usage.back().map_or(at_ms, |&(seen_ms, _)| seen_ms);
            self.seen_since_deployed_ms += (at_ms - before_ms).min(HOUR_MS);
        }
        self.first_ms.get_or_insert(at_ms);
        self.usage.push_back((at_ms, usage));
        let kept_ms = self.options.peak_ms.saturating_add(DAY_MS);
        while self.usage.front().is_some_and(|&(seen_ms, _)| ms_to_f64(at_ms - seen_ms) > ms_to_f64(kept_ms)) {
            self.usage.pop_front();
        }
    }
}
