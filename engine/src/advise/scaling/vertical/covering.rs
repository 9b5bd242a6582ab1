use std::collections::VecDeque;

use super::{
    ContainerResource, DecayingHistogram, HistogramOptions, RequestRule, cost::CostCurve, histogram::ms_to_f64,
    krr::quantile,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Half-lives of the histograms that are mixed. On Bitbrains' machines, at about equal slack, the time above is 1.8 % with three
/// days alone, 1.5 % with two or three of them and 1.3 % with all four.
const HALF_LIVES_MS: [i64; 4] = [DAY_MS / 2, DAY_MS, 3 * DAY_MS, 14 * DAY_MS];
/// Widths of buckets: fine beside the margins, coarse enough that ten decades take a thousand.
pub(super) const GROWTH: f64 = 0.02;
/// Forecasts after which an older one counts 1/e: a week of hours.
const MEMORY: f64 = 168.0;
/// How sharply a histogram whose requests cost more counts less. Between 0 and 20 the time above differs by a tenth.
const SHARPNESS: f64 = 5.0;
/// Part of the usual drift from one day to the next by which usage may lie higher or lower than the past. From 0.3 to 0.6
/// slack is bought against time above at about the same price; without any, memory falls short.
const DRIFT_SHARE: f64 = 0.6;
/// Drift before any was seen.
const DRIFT: f64 = 0.15;
/// Cost that a change must save; with two hundredths requests change twice as often, and gain nothing.
const WORTH: f64 = 0.05;
/// A request stays so long at least, as the vertical pod autoscaler's does, unless usage is above it.
const LIFETIME_MS: i64 = 12 * HOUR_MS;
/// Kills for want of memory cost so many times what waiting for CPU does: a request then lies above all that was seen.
const MEMORY_COST: f64 = 50.0;

/// How [`Covering`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoveringOptions {
    /// What is asked for.
    pub resource: ContainerResource,
    /// What an hour with usage above the request costs, in hours of the whole request idling; positive.
    pub above_cost: f64,
    /// Time that a forecast speaks of: until the next change.
    pub horizon_ms: i64,
    /// When the container's present version was deployed; memory measured since then is never asked for less.
    pub deployed_ms: Option<i64>,
}

impl CoveringOptions {
    /// The usual costs. CPU: an hour of throttling costs three of idling, at which Bitbrains' machines idle and are throttled as
    /// they are by the vertical pod autoscaler; from 3 to 4 a quarter of the throttling goes for 1.5 points of slack.
    #[must_use]
    pub fn new(resource: ContainerResource) -> Self {
        let above_cost = match resource {
            ContainerResource::Cpu => 3.0,
            ContainerResource::Memory => 3.0 * MEMORY_COST,
        };
        Self { resource, above_cost, horizon_ms: DAY_MS, deployed_ms: None }
    }
}

/// The request that costs least over the day to come: what idles, against the time that usage exceeds the request.
///
/// The forecast of usage is a mixture of decaying histograms, each counting by what its own requests have cost lately,
/// spread by how far days usually drift. So the margin follows the tail: where usage gathers just above a quantile it is
/// covered, where it spikes far and seldom it is not. A request changes only when that saves more than a twentieth of its idling, or when
/// usage has been above it for most of an hour. Memory is never asked for less than the peak since the deployment, or
/// within the last fortnight, spread by the same drift.
///
/// # Reference
/// Rzadca et al. (2020), Autopilot: requests from decaying histograms that are chosen by their past cost. Deviates: the
/// histograms are mixed and not chosen, and the margin is the drift that was measured.
#[derive(Debug, Clone)]
pub struct Covering {
    options: CoveringOptions,
    histograms: Vec<DecayingHistogram>,
    /// What requests by each histogram have cost.
    losses: Vec<f64>,
    /// When a forecast was made, and the request by each histogram.
    pending: VecDeque<(i64, Vec<f64>)>,
    /// The last fortnight, for memory's peaks and the judgement of forecasts.
    usage: VecDeque<(i64, f64)>,
    peak_since_deployed: f64,
    drift: f64,
    decided_ms: Option<i64>,
    changed_ms: Option<i64>,
    expected: Option<Expected>,
}

/// What a request is expected to bring over the horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Share of the request that idles.
    pub slack: f64,
    /// Share of time with usage above it.
    pub above: f64,
}

impl Covering {
    /// A rule that has seen nothing.
    #[must_use]
    pub fn new(options: CoveringOptions) -> Self {
        let histogram = |half_life_ms| {
            // Far below what any container uses, in cores as in bytes.
            DecayingHistogram::new(HistogramOptions { first_bucket: 1e-6, growth: GROWTH, half_life_ms })
        };
        Self {
            options,
            histograms: HALF_LIVES_MS.map(histogram).to_vec(),
            losses: vec![0.0; HALF_LIVES_MS.len()],
            pending: VecDeque::new(),
            usage: VecDeque::new(),
            peak_since_deployed: 0.0,
            drift: DRIFT,
            decided_ms: None,
            changed_ms: None,
            expected: None,
        }
    }

    /// What the request decided last was expected to bring.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        self.expected
    }

    /// How far the busy hours of one day usually lie from those of the next, as a logarithm.
    #[must_use]
    pub fn drift(&self) -> f64 {
        self.drift
    }

    fn window(&self, from_ms: i64, to_ms: i64) -> Vec<f64> {
        let at = |ms: i64| self.usage.partition_point(|&(seen_ms, _)| seen_ms < ms);
        self.usage.range(at(from_ms)..at(to_ms).max(at(from_ms))).map(|&(_, usage)| usage).collect()
    }

    /// Charges every forecast whose horizon has passed with what its requests cost.
    fn judge(&mut self, at_ms: i64) {
        let decay = 1.0 - 1.0 / MEMORY;
        while self.pending.front().is_some_and(|(from_ms, _)| from_ms + self.options.horizon_ms <= at_ms) {
            let Some((from_ms, requests)) = self.pending.pop_front() else { return };
            let mut window = self.window(from_ms, from_ms + self.options.horizon_ms);
            if window.is_empty() {
                continue;
            }
            for (loss, request) in self.losses.iter_mut().zip(&requests) {
                *loss = *loss * decay + realised(&window, *request, self.options.above_cost);
            }
            let mut before = self.window(from_ms - DAY_MS, from_ms);
            let busy = quantile(&mut window, 0.9).zip(quantile(&mut before, 0.9));
            if let Some((after, before)) = busy.filter(|&(after, before)| after > 0.0 && before > 0.0) {
                self.drift += ((after / before).ln().abs().min(1.0) - self.drift) / MEMORY;
            }
        }
    }

    /// The expected cost of every request, the day to come being like the past as each histogram remembers it.
    fn curve(&mut self, at_ms: i64) -> CostCurve {
        let spread = DRIFT_SHARE * self.drift;
        let curve = |shares: &[f64]| CostCurve::new(&self.histograms[0], shares, self.options.above_cost, spread);
        let shares: Vec<Vec<f64>> = self.histograms.iter().map(|histogram| histogram.shares().collect()).collect();
        let requests = shares.iter().map(|shares| curve(shares).best()).collect();
        let least = self.losses.iter().copied().fold(f64::INFINITY, f64::min);
        let weigh = |loss: &f64| if least > 0.0 { (-SHARPNESS * (loss / least - 1.0)).exp() } else { 1.0 };
        let weights: Vec<f64> = self.losses.iter().map(weigh).collect();
        let whole: f64 = weights.iter().sum();
        let mut mixture = vec![0.0; shares.iter().map(Vec::len).max().unwrap_or(0)];
        for (shares, weight) in shares.iter().zip(&weights) {
            mixture.iter_mut().zip(shares).for_each(|(mixed, share)| *mixed += share * weight / whole);
        }
        let mixed = curve(&mixture);
        self.pending.push_back((at_ms, requests));
        mixed
    }

    /// Below this memory is not asked for: the peak since the deployment or of the last fortnight, and the drift.
    fn least(&self) -> f64 {
        match self.options.resource {
            ContainerResource::Cpu => 0.0,
            ContainerResource::Memory => {
                let recent = self.usage.iter().map(|&(_, usage)| usage).fold(0.0, f64::max);
                let peak = if self.options.deployed_ms.is_some() { self.peak_since_deployed } else { recent };
                peak * (DRIFT_SHARE * self.drift).exp()
            }
        }
    }
}

/// What `request` cost over a window of usage.
fn realised(window: &[f64], request: f64, above_cost: f64) -> f64 {
    let steps = f64::from(u32::try_from(window.len()).unwrap_or(u32::MAX));
    let cost = |usage: &f64| if *usage > request { above_cost } else { 1.0 - usage / request.max(f64::MIN_POSITIVE) };
    window.iter().map(cost).sum::<f64>() / steps
}

impl RequestRule for Covering {
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64> {
        let decided = self.decided_ms.is_some_and(|decided_ms| at_ms - decided_ms < HOUR_MS);
        if self.usage.is_empty() || decided {
            return current;
        }
        self.decided_ms = Some(at_ms);
        self.judge(at_ms);
        let curve = self.curve(at_ms);
        let mut hour = self.window(at_ms - HOUR_MS, at_ms);
        let usual = quantile(&mut hour, 0.5).unwrap_or(0.0);
        let short = current.is_some_and(|current| usual > current);
        // A new level takes hours to weigh in the histograms: until then the last hour stands for it.
        let seen = if short { usual * (DRIFT_SHARE * self.drift).exp() } else { 0.0 };
        let wanted = curve.best().max(self.least()).max(seen);
        let keeps = current.is_some_and(|current| {
            let lived = self.changed_ms.is_none_or(|changed_ms| at_ms - changed_ms >= LIFETIME_MS);
            let below = current < self.least();
            !(short || below || (lived && curve.cost(current) - curve.cost(wanted) > WORTH))
        });
        let request = if keeps { current } else { Some(wanted) };
        if !keeps {
            self.changed_ms = Some(at_ms);
        }
        self.expected = request.map(|request| Expected { slack: curve.slack(request), above: curve.above(request) });
        request
    }

    fn observe(&mut self, at_ms: i64, usage: f64) {
        self.histograms.iter_mut().for_each(|histogram| histogram.add(at_ms, usage));
        if self.options.deployed_ms.is_some_and(|deployed_ms| at_ms >= deployed_ms) {
            self.peak_since_deployed = self.peak_since_deployed.max(usage);
        }
        self.usage.push_back((at_ms, usage));
        let kept_ms = 15 * DAY_MS;
        while self.usage.front().is_some_and(|&(seen_ms, _)| ms_to_f64(at_ms - seen_ms) > ms_to_f64(kept_ms)) {
            self.usage.pop_front();
        }
    }
}
