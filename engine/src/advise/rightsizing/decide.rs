//! The decision on one request: what to recommend, what it would have done over the last week, and when the present one is kept.

use super::{
    ContainerResource, Covering, CoveringOptions, Expected, Krr, Leading, RequestFigures, RequestRule,
    RightsizingError, Vpa,
    held::{Held, held_costs, of_a_stretch, share_no_more_expensive, stretches},
    rules::{WORTH, ms_to_f64},
    score_requests,
    spec::MOVED,
    trace_requests,
};
use crate::advise::kit::{DemandHistory, Interval};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// History below which nothing is decided.
const LEAST_DAYS: i64 = 3;
/// Days on which the present request and the proposed one are compared.
const LATE_DAYS: i64 = 7;
/// The last days whose stretches tell what a request will do.
const PROMISE_DAYS: i64 = 14;
/// No recommendation with less confidence than this.
pub(super) const LEAST_CONFIDENCE: f64 = 0.75;
/// No change by less than this part of the least request: nobody rolls out a deployment for a few millicores.
const LEAST_CHANGE: f64 = 0.5;

/// What is decided for one request of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestDecision {
    /// What is asked for.
    pub resource: ContainerResource,
    /// The instant of the decision: the step after the last row.
    pub at_ms: i64,
    /// The present request, where it is known.
    pub current: Option<f64>,
    /// The request, in whole millicores or mebibytes.
    pub request: f64,
    /// What it is expected to bring over the day to come.
    pub expected: Expected,
    /// How far one day's busy hours lie from the next's, as a logarithm.
    pub drift: f64,
    /// Price of an hour above the request, in hours of the mean usage idling.
    pub above_cost: f64,
    /// When scoring begins.
    pub scored_from_ms: i64,
    /// Steps that were scored.
    pub steps: usize,
    /// The rule that is followed now.
    pub leader: &'static str,
    /// [`Leading`] over the history, changing its request as it goes.
    pub leading: RequestFigures,
    /// [`Covering`] alone.
    pub covering: RequestFigures,
    /// The vertical pod autoscaler's rule.
    pub vpa: RequestFigures,
    /// KRR's rule.
    pub krr: RequestFigures,
    /// The present request, all along.
    pub present: Option<RequestFigures>,
    /// What the proposed request would have done over the last week.
    pub held: Held,
    /// What the present request did in it.
    pub present_held: Option<Held>,
    /// Promised share of the request that idles while it is held for some days, with an 80 % interval.
    pub idle: Interval,
    /// Promised share of the time with usage above it, likewise.
    pub above: Interval,
    /// Promised [`super::cost_of`] the rule's requests, each held for some days, with an 80 % interval.
    pub cost: Interval,
    /// What the present request cost in the last week.
    pub present_cost: Option<f64>,
    /// Share of resampled days of the last week in which the request costs no more than the present one; where that is not known, the
    /// share of days of which the rule's promises held.
    pub confidence: f64,
}

/// Decides a request after the last row of `usage`, with `current` in force; pure.
///
/// Never below the least request, never above a present one that usage has not passed, and never what costs more than the present
/// one on the same usage.
///
/// # Errors
/// [`RightsizingError::TooShort`]; [`RightsizingError::NoGain`] when the present request serves as well, and
/// [`RightsizingError::Unsure`] when too little speaks for another.
pub fn decide_request(
    usage: &DemandHistory,
    current: Option<f64>,
    options: &CoveringOptions,
) -> Result<RequestDecision, RightsizingError> {
    let resource = options.resource;
    let first_ms = usage.timestamps()[0];
    let at_ms = usage.timestamps()[usage.len() - 1] + usage.step_ms();
    let span_ms = at_ms - first_ms;
    let seen = usage.observed().iter().filter(|observed| **observed).count();
    let days = i64::try_from(seen).unwrap_or(i64::MAX).saturating_mul(usage.step_ms());
    let too_short = || RightsizingError::TooShort {
        resource,
        days: ms_to_f64(days) / ms_to_f64(DAY_MS),
        needed: ms_to_f64(LEAST_DAYS),
    };
    // A tenth may be missing.
    if span_ms < LEAST_DAYS * DAY_MS || days < LEAST_DAYS * DAY_MS / 10 * 9 {
        return Err(too_short());
    }
    let scored_from_ms = first_ms + if span_ms >= 8 * DAY_MS { 7 * DAY_MS } else { span_ms / 2 };
    let mut rule = Leading::new(*options);
    let requests = trace_requests(usage, &mut rule);
    let covering = trace_requests(usage, &mut Covering::new(*options));
    let vpa = trace_requests(usage, &mut Vpa::new(resource));
    let krr = trace_requests(usage, &mut Krr::new(resource));
    let score = |requests: &[Option<f64>]| score_requests(usage, requests, scored_from_ms).ok_or_else(too_short);
    let leading = score(&requests)?;
    let held = current.map(|current| vec![Some(current); usage.len()]);
    let present = held.as_deref().map(score).transpose()?;
    let wanted = rule.request(at_ms, requests.last().copied().flatten()).ok_or_else(too_short)?;
    let most = usage.values().iter().zip(usage.observed()).filter(|(_, known)| **known).map(|(used, _)| *used);
    let most = most.fold(0.0, f64::max);
    // A request that usage never passed was large enough.
    let request = current.filter(|&current| most <= current && wanted > current).unwrap_or(wanted);

    let compared = Compared::new(usage, current, &rule, at_ms, options);
    let (held, present_held) = (compared.held(request), current.map(|current| compared.held(current)));
    let promised = held_costs(usage, &requests, scored_from_ms, options.above_cost);
    let confidence = match current {
        Some(current) => compared.confidence(request, current),
        None => promised.iter().filter(|(cost, told)| cost <= told).count() as f64 / promised.len().max(1) as f64,
    };
    if let (Some(current), Some(now)) = (current, present_held) {
        let written = |request: f64| resource.quantity(request).1;
        let moved = (request - current).abs();
        if moved <= MOVED * current
            || moved < LEAST_CHANGE * options.least
            || now.cost(options) - held.cost(options) <= WORTH
        {
            return Err(RightsizingError::NoGain {
                resource,
                current: written(current),
                slack: now.idle_share,
                above: now.above_share,
                wanted: written(request),
                wanted_slack: held.idle_share,
                wanted_above: held.above_share,
            });
        }
        if confidence < LEAST_CONFIDENCE {
            let (current, wanted) = (written(current), written(request));
            return Err(RightsizingError::Unsure { resource, current, wanted, confidence, least: LEAST_CONFIDENCE });
        }
    }
    let of_late = usage.timestamps().partition_point(|&step_ms| step_ms < at_ms - PROMISE_DAYS * DAY_MS);
    let spread = stretches(usage, of_late, request);
    let interval = |of: fn(&Held) -> f64| {
        let shares: Vec<f64> = spread.iter().map(of).collect();
        let Interval { value, lower, upper } = of_a_stretch(&shares)?;
        Some(Interval { value, lower, upper: upper.min(1.0) })
    };
    let costs: Vec<f64> = promised.iter().map(|(cost, _)| *cost).collect();
    Ok(RequestDecision {
        resource,
        at_ms,
        current,
        request,
        expected: rule.expects(request).ok_or_else(too_short)?,
        leader: rule.leader(),
        drift: rule.drift(),
        above_cost: options.above_cost,
        scored_from_ms,
        steps: usage.len() - usage.timestamps().partition_point(|&step_ms| step_ms < scored_from_ms),
        leading,
        covering: score(&covering)?,
        vpa: score(&vpa)?,
        krr: score(&krr)?,
        present,
        held,
        present_held,
        idle: interval(|held| held.idle_share).ok_or_else(too_short)?,
        above: interval(|held| held.above_share).ok_or_else(too_short)?,
        cost: of_a_stretch(&costs).ok_or_else(too_short)?,
        present_cost: present_held.map(|held| held.cost(options)),
        confidence,
    })
}

/// The usage on which requests are compared, in blocks of time.
struct Compared {
    blocks: Vec<Vec<f64>>,
    options: CoveringOptions,
}

impl Compared {
    /// The last week in days; where usage is above the present request now, the last hour in ten minutes, because a level that has
    /// just risen hardly weighs in a week.
    fn new(usage: &DemandHistory, current: Option<f64>, rule: &Leading, at_ms: i64, options: &CoveringOptions) -> Self {
        let risen = current.is_some_and(|current| rule.exceeds(current));
        let (span_ms, block_ms) = if risen { (HOUR_MS, HOUR_MS / 6) } else { (LATE_DAYS * DAY_MS, DAY_MS) };
        let from_ms = (at_ms - span_ms.max(2 * usage.step_ms())).max(usage.timestamps()[0]);
        let mut blocks: Vec<Vec<f64>> = Vec::new();
        let mut last = None;
        for idx in usage.timestamps().partition_point(|&step_ms| step_ms < from_ms)..usage.len() {
            if !usage.observed()[idx] {
                continue;
            }
            let block = (usage.timestamps()[idx] - from_ms) / block_ms;
            if last != Some(block) {
                blocks.push(Vec::new());
                last = Some(block);
            }
            if let Some(values) = blocks.last_mut() {
                values.push(usage.values()[idx]);
            }
        }
        Self { blocks, options: *options }
    }

    fn held(&self, request: f64) -> Held {
        Held::of(&self.blocks.concat(), request)
    }

    fn confidence(&self, request: f64, current: f64) -> f64 {
        let usage = self.held(request).usage;
        let costs = |request: f64| {
            let cost = |block: &Vec<f64>| Held { usage, ..Held::of(block, request) }.cost(&self.options);
            self.blocks.iter().map(cost).collect::<Vec<f64>>()
        };
        share_no_more_expensive(&costs(request), &costs(current))
    }
}
