//! Decides on one request: replays the rules, compares the proposed request with the present one over the last week,
//! and keeps the present one when a change is not worthwhile. Called by `advise`; reads no store.

use super::{
    ContainerResource, Covering, CoveringOptions, Expected, Krr, Leading, RequestFigures, RequestRule,
    RightsizingError, Vpa,
    held::{Held, held_costs, probability_not_more_expensive, stretch_interval, stretches},
    rules::{MIN_SAVING, ms_to_f64},
    score_requests,
    spec::MOVED,
    trace_requests,
};
use crate::advise::kit::{DemandHistory, Interval};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Minimum history for a decision, days.
const MIN_DAYS: i64 = 3;
/// Days over which the present and the proposed request are compared.
const COMPARED_DAYS: i64 = 7;
/// Days at the end of the history whose stretches give the promised shares.
const PROMISE_DAYS: i64 = 14;
/// Minimum confidence of a recommendation.
pub(super) const MIN_CONFIDENCE: f64 = 0.75;
/// Minimum change, as a part of the minimum request: a few millicores are not worth a rollout.
const MIN_CHANGE: f64 = 0.5;

/// Decision on one request of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestDecision {
    /// Resource of the request.
    pub resource: ContainerResource,
    /// Time of the decision, the step after the last row, epoch milliseconds.
    pub at_ms: i64,
    /// Present request, if known.
    pub current: Option<f64>,
    /// Proposed request, in whole millicores or mebibytes.
    pub request: f64,
    /// Expected idle and above shares over the next day.
    pub expected: Expected,
    /// Mean distance of one day's busy usage from the next day's, as a logarithm.
    pub drift: f64,
    /// Cost of an hour above the request, in hours of idle mean usage.
    pub above_cost: f64,
    /// Start of scoring, epoch milliseconds.
    pub scored_from_ms: i64,
    /// Number of scored steps.
    pub steps: usize,
    /// Name of the rule that is followed now.
    pub leader: &'static str,
    /// Figures of [`Leading`] over the history, which changes its request over time.
    pub leading: RequestFigures,
    /// Figures of [`Covering`] alone.
    pub covering: RequestFigures,
    /// Figures of the vertical pod autoscaler's rule.
    pub vpa: RequestFigures,
    /// Figures of KRR's rule.
    pub krr: RequestFigures,
    /// Figures of the present request held constant.
    pub present: Option<RequestFigures>,
    /// Proposed request over the last week.
    pub held: Held,
    /// Present request over the last week.
    pub present_held: Option<Held>,
    /// Promised idle share of the request over some days, with an 80 % interval.
    pub idle: Interval,
    /// Promised share of time with usage above the request, likewise.
    pub above: Interval,
    /// Promised [`super::cost_of`] the rule's requests, each held for some days, with an 80 % interval.
    pub cost: Interval,
    /// Cost of the present request over the last week.
    pub present_cost: Option<f64>,
    /// Share of resampled days of the last week on which the request costs no more than the present one. If that one is
    /// unknown, the share of days on which the rule kept its promised cost.
    pub confidence: f64,
}

/// Decides a request after the last row of `usage`, with `current` in effect. Does no I/O.
///
/// The request is never below the minimum request, never above a present one that usage has not exceeded, and never one
/// that costs more than the present one on the same usage.
///
/// # Errors
/// [`RightsizingError::TooShort`]; [`RightsizingError::NoGain`] when the present request is as good;
/// [`RightsizingError::Unsure`] when the confidence is too low.
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
        needed: ms_to_f64(MIN_DAYS),
    };
    // A tenth of the rows may be missing.
    if span_ms < MIN_DAYS * DAY_MS || days < MIN_DAYS * DAY_MS / 10 * 9 {
        return Err(too_short());
    }
    // The first week is warm-up, or half of a short history.
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
    let highest = usage.values().iter().zip(usage.observed()).filter(|(_, known)| **known).map(|(used, _)| *used);
    let highest = highest.fold(0.0, f64::max);
    // A request that usage never exceeded was large enough: it is not raised.
    let request = current.filter(|&current| highest <= current && wanted > current).unwrap_or(wanted);

    let compared = ComparisonBlocks::new(usage, current, &rule, at_ms, options);
    let (held, present_held) = (compared.held(request), current.map(|current| compared.held(current)));
    let promised = held_costs(usage, &requests, scored_from_ms, options.above_cost);
    let confidence = match current {
        Some(current) => compared.confidence(request, current),
        None => promised.iter().filter(|(cost, limit)| cost <= limit).count() as f64 / promised.len().max(1) as f64,
    };
    // A change must be large enough, save enough, and be likely not to cost more.
    if let (Some(current), Some(now)) = (current, present_held) {
        let written = |request: f64| resource.quantity(request).1;
        let moved = (request - current).abs();
        if moved <= MOVED * current
            || moved < MIN_CHANGE * options.least
            || now.cost(options) - held.cost(options) <= MIN_SAVING
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
        if confidence < MIN_CONFIDENCE {
            let (current, wanted) = (written(current), written(request));
            return Err(RightsizingError::Unsure { resource, current, wanted, confidence, least: MIN_CONFIDENCE });
        }
    }
    let promise_from = usage.timestamps().partition_point(|&step_ms| step_ms < at_ms - PROMISE_DAYS * DAY_MS);
    let spread = stretches(usage, promise_from, request);
    let interval = |of: fn(&Held) -> f64| {
        let shares: Vec<f64> = spread.iter().map(of).collect();
        let Interval { value, lower, upper } = stretch_interval(&shares)?;
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
        cost: stretch_interval(&costs).ok_or_else(too_short)?,
        present_cost: present_held.map(|held| held.cost(options)),
        confidence,
    })
}

/// Usage on which two requests are compared, in blocks of time.
struct ComparisonBlocks {
    blocks: Vec<Vec<f64>>,
    options: CoveringOptions,
}

impl ComparisonBlocks {
    /// Takes the last week in blocks of a day. If usage exceeds the present request now, takes the last hour in blocks
    /// of ten minutes instead, because a new level has little weight in a week.
    fn new(usage: &DemandHistory, current: Option<f64>, rule: &Leading, at_ms: i64, options: &CoveringOptions) -> Self {
        let risen = current.is_some_and(|current| rule.exceeds(current));
        let (span_ms, block_ms) = if risen { (HOUR_MS, HOUR_MS / 6) } else { (COMPARED_DAYS * DAY_MS, DAY_MS) };
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
        // Costs of all blocks use the same mean usage, so that their differences can be summed.
        let usage = self.held(request).usage;
        let costs = |request: f64| {
            let cost = |block: &Vec<f64>| Held { usage, ..Held::of(block, request) }.cost(&self.options);
            self.blocks.iter().map(cost).collect::<Vec<f64>>()
        };
        probability_not_more_expensive(&costs(request), &costs(current))
    }
}
