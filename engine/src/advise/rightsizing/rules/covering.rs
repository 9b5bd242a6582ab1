//! The rule that requests what costs least over the day to come, from decaying histograms of the usage.

use std::collections::VecDeque;

use almanac_models::stats::quantile;

use super::{
    ContainerResource, DecayingHistogram, HistogramOptions, RequestRule, cost::CostCurve, histogram::ms_to_f64,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Time that a forecast speaks of.
const HORIZON_MS: i64 = DAY_MS;
/// Half-lives of the histograms that are averaged. On the CPU of Bitbrains' and SMD's machines the cost of 3 days alone, of 1 and
/// 3 days, and of all four differ by a hundredth: none has to be right.
const HALF_LIVES_MS: [i64; 4] = [DAY_MS / 2, DAY_MS, 3 * DAY_MS, 14 * DAY_MS];
/// Widths of buckets: fine beside the margins, coarse enough that ten decades take a thousand.
pub(super) const GROWTH: f64 = 0.02;
/// Forecasts after which an older one counts 1/e: a week of hours.
const MEMORY: f64 = 168.0;
/// Part of the usual drift from one day to the next by which usage may lie higher or lower than the past. Without any, requests of
/// CPU cost 3 to 8 % more where load grows (Alibaba) and 2 to 5 % less where it does not (Bitbrains, SMD).
const DRIFT_SHARE: f64 = 0.3;
/// Drift before any was seen.
const DRIFT: f64 = 0.15;
/// Cost that a change must save, in shares of the usage.
pub(in crate::advise::rightsizing) const WORTH: f64 = 0.05;
/// A request stays so long at least, as the vertical pod autoscaler's does, unless usage is above it.
const LIFETIME_MS: i64 = 12 * HOUR_MS;
/// What an hour of waiting for CPU costs, in hours of what is used on average: Bitbrains' machines then idle and wait about as much as
/// under the vertical pod autoscaler.
const CPU_COST: f64 = 6.0;
/// Kills for want of memory cost so many times what waiting for CPU does: a request then lies above all that was seen.
const MEMORY_COST: f64 = 50.0;
/// History whose peak memory is never below, where the caller names no other: as long as the configuration reads.
const PEAK_MS: i64 = 28 * DAY_MS;
/// By how much memory's next peak may exceed the last before anything is known, as VPA and KRR have it; forgotten over
/// [`GROWTH_DAYS`] days of forecasts, of which the largest excess then tells more.
const PEAK_GROWTH: f64 = 0.15;
const GROWTH_DAYS: f64 = 14.0;
/// No more than 28 % above the peak is requested for growth, as a logarithm: one jump to a new level must not double the request.
const PEAK_GROWTH_MOST: f64 = 0.25;

/// How [`Covering`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoveringOptions {
    /// What is asked for.
    pub resource: ContainerResource,
    /// What an hour with usage above the request costs, in hours of the mean usage idling; positive.
    pub above_cost: f64,
    /// When the container's present version was deployed; memory peaks from before no longer count, a day after it.
    pub deployed_ms: Option<i64>,
    /// The least request that is recommended, in cores or bytes.
    pub least: f64,
    /// Length of the history whose peak a memory request covers.
    pub peak_ms: i64,
}

impl CoveringOptions {
    /// The usual costs.
    #[must_use]
    pub fn new(resource: ContainerResource) -> Self {
        let above_cost = match resource {
            ContainerResource::Cpu => CPU_COST,
            ContainerResource::Memory => CPU_COST * MEMORY_COST,
        };
        Self { resource, above_cost, deployed_ms: None, least: resource.usual_least(), peak_ms: PEAK_MS }
    }
}

/// The request that costs least over the day to come: what idles, against the time that usage exceeds the request.
///
/// The forecast of usage is the average of decaying histograms of several half-lives, spread by how far days usually drift. So
/// the margin follows the tail: where usage gathers just above a quantile it is covered, where it spikes far and seldom it is
/// not. A request changes only when that saves more than a twentieth of the usage, or when usage has been above it for most of an
/// hour. Memory is never asked for less than its peak and the largest growth by which a day's peak has exceeded the one known
/// before it.
///
/// # Reference
/// Rzadca et al. (2020), Autopilot: requests from decaying histograms, by the cost of what idles against what runs short.
/// Deviates: the histograms are averaged, and the margins are the drift and the growth that were measured.
#[derive(Debug, Clone)]
pub struct Covering {
    options: CoveringOptions,
    histograms: Vec<DecayingHistogram>,
    pending: VecDeque<Pending>,
    /// The history of the peak and a day, for memory's peaks and the judgement of forecasts.
    usage: VecDeque<(i64, f64)>,
    peak_since_deployed: f64,
    /// How long usage was seen since the deployment; a gap counts an hour.
    seen_since_deployed_ms: i64,
    /// Whether what was used before the deployment is forgotten.
    forgot: bool,
    first_ms: Option<i64>,
    drift: f64,
    /// By how much the peak to come has exceeded the one known, as a logarithm, at most; and days that told.
    peak_growth: f64,
    judged_days: f64,
    judged_ms: Option<i64>,
    decided_ms: Option<i64>,
    changed_ms: Option<i64>,
    /// The median usage of the last hour.
    last_hour: f64,
    /// A request below this is too small now, whatever it saves.
    shortfall: f64,
    /// The expected cost of every request, as it was last decided on.
    curve: Option<CostCurve>,
}

/// A day to come whose peak is not known yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    at_ms: i64,
    /// The highest usage of the history before.
    peak: f64,
}

/// What a request is expected to bring over the horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Share of the request that idles.
    pub slack: f64,
    /// Share of time with usage above it.
    pub above: f64,
}

fn histogram(half_life_ms: i64) -> DecayingHistogram {
    // Far below what any container uses, in cores as in bytes.
    DecayingHistogram::new(HistogramOptions { first_bucket: 1e-6, growth: GROWTH, half_life_ms })
}

impl Covering {
    /// A rule that has seen nothing.
    #[must_use]
    pub fn new(options: CoveringOptions) -> Self {
        Self {
            options,
            histograms: HALF_LIVES_MS.map(histogram).to_vec(),
            pending: VecDeque::new(),
            usage: VecDeque::new(),
            peak_since_deployed: 0.0,
            seen_since_deployed_ms: 0,
            forgot: false,
            first_ms: None,
            drift: DRIFT,
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

    /// What `request` is expected to bring over the horizon, as of the last decision; none before any.
    #[must_use]
    pub fn expects(&self, request: f64) -> Option<Expected> {
        self.curve.as_ref().map(|curve| Expected { slack: curve.slack(request), above: curve.above(request) })
    }

    /// How far the busy hours of one day usually lie from those of the next, as a logarithm.
    #[must_use]
    pub fn drift(&self) -> f64 {
        self.drift
    }

    /// Whether usage was above `request` for most of the last hour before the last decision.
    #[must_use]
    pub fn exceeds(&self, request: f64) -> bool {
        self.last_hour > request
    }

    /// Whether a request of its own is too small as of the last decision: CPU usage was above it for most of the last hour, or
    /// memory has used up half of the margin above its peak.
    fn falls_short(&self, request: f64) -> bool {
        request < self.shortfall
    }

    fn window(&self, from_ms: i64, to_ms: i64) -> Vec<f64> {
        let at = |ms: i64| self.usage.partition_point(|&(seen_ms, _)| seen_ms < ms);
        self.usage.range(at(from_ms)..at(to_ms).max(at(from_ms))).map(|&(_, usage)| usage).collect()
    }

    /// Learns from every day that has passed how far peaks and days move.
    fn judge(&mut self, at_ms: i64) {
        while self.pending.front().is_some_and(|pending| pending.at_ms + HORIZON_MS <= at_ms) {
            let Some(Pending { at_ms: from_ms, peak }) = self.pending.pop_front() else { return };
            let window = self.window(from_ms, from_ms + HORIZON_MS);
            if window.is_empty() {
                continue;
            }
            let reached = window.iter().copied().fold(0.0, f64::max);
            // What came before a whole day was seen is no peak.
            if self.first_ms.is_some_and(|first_ms| from_ms - first_ms >= DAY_MS) {
                let growth = if peak > 0.0 { (reached / peak).ln().clamp(0.0, PEAK_GROWTH_MOST) } else { 0.0 };
                self.peak_growth = self.peak_growth.max(growth);
                let since_ms = self.judged_ms.replace(from_ms).map_or(0, |before_ms| from_ms - before_ms);
                self.judged_days += ms_to_f64(since_ms.min(DAY_MS)) / ms_to_f64(DAY_MS);
            }
            let before = self.window(from_ms - DAY_MS, from_ms);
            let busy = quantile(&window, 0.9).zip(quantile(&before, 0.9));
            if let Some((after, before)) = busy.filter(|&(after, before)| after > 0.0 && before > 0.0) {
                self.drift += ((after / before).ln().abs().min(1.0) - self.drift) / MEMORY;
            }
        }
    }

    /// The expected cost of every request, the day to come being like the past as the histograms remember it on average.
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

    /// A day after a deployment memory is what the new version uses: the histograms begin anew with it. CPU follows the load
    /// more than the version, of which a day says too little.
    fn forget(&mut self) {
        let Some(deployed_ms) = self.options.deployed_ms.filter(|_| self.knows_version()) else { return };
        if self.forgot || self.options.resource == ContainerResource::Cpu {
            return;
        }
        self.forgot = true;
        self.histograms = HALF_LIVES_MS.map(histogram).to_vec();
        let from = self.usage.partition_point(|&(seen_ms, _)| seen_ms < deployed_ms);
        for &(seen_ms, usage) in self.usage.range(from..) {
            self.histograms.iter_mut().for_each(|histogram| histogram.add(seen_ms, usage));
        }
    }

    /// Whether a day's usage of the present version was seen.
    fn knows_version(&self) -> bool {
        self.seen_since_deployed_ms >= DAY_MS
    }

    fn recent_peak(&self, at_ms: i64) -> f64 {
        let recent = self.usage.iter().filter(|&&(seen_ms, _)| at_ms - seen_ms <= self.options.peak_ms);
        recent.map(|&(_, usage)| usage).fold(0.0, f64::max)
    }

    /// The peak of memory below which nothing is asked for, and by how much the next may exceed it, as a logarithm; CPU has
    /// none. The peak is that of the history that is read, or since a deployment of which a day was seen.
    fn peak(&self, at_ms: i64) -> (f64, f64) {
        match self.options.resource {
            ContainerResource::Cpu => (0.0, 0.0),
            ContainerResource::Memory => {
                let peak = if self.knows_version() { self.peak_since_deployed } else { self.recent_peak(at_ms) };
                let unknown = PEAK_GROWTH.ln_1p() / (1.0 + self.judged_days / GROWTH_DAYS);
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
        self.judge(at_ms);
        self.forget();
        let curve = self.curve();
        self.pending.push_back(Pending { at_ms, peak: self.recent_peak(at_ms) });
        let usual = quantile(&self.window(at_ms - HOUR_MS, at_ms), 0.5).unwrap_or(0.0);
        let (peak, growth) = self.peak(at_ms);
        self.last_hour = usual;
        // Not at every new peak: half of the margin may be used up.
        self.shortfall = usual.max(peak * (growth / 2.0).exp());
        let short = current.is_some_and(|current| usual > current);
        // A new level takes hours to weigh in the histograms: until then the last hour stands for it.
        let seen = if short { usual * (DRIFT_SHARE * self.drift).exp() } else { 0.0 };
        let wanted = curve.best().max(peak * growth.exp()).max(seen);
        let keeps = current.is_some_and(|current| {
            let lived = self.changed_ms.is_none_or(|changed_ms| at_ms - changed_ms >= LIFETIME_MS);
            !(self.falls_short(current) || (lived && curve.cost(current) - curve.cost(wanted) > WORTH))
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
