use super::{
    ContainerResource, Covering, CoveringOptions, Expected, Krr, Leading, RequestFigures, RequestRule,
    RightsizingError, Vpa, cost_of,
    rules::{WORTH, ms_to_f64},
    score_requests,
    spec::MOVED,
    step_costs, trace_requests,
};
use crate::advise::kit::{DemandHistory, Interval, RESAMPLES, resamples};

const DAY_MS: i64 = 86_400_000;
/// History below which nothing is decided.
const LEAST_DAYS: i64 = 3;
/// Days for which a promise is made: a request is held so long before it is judged.
pub(super) const HELD_DAYS: i64 = 3;
/// Days on which the present request and the proposed one are compared.
const LATE_DAYS: i64 = 7;

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
    /// Promised [`cost_of`] the request while it is held for some days, with an 80 % interval.
    pub cost: Interval,
    /// What the present request cost in the last week.
    pub present_cost: Option<f64>,
    /// Share of resampled days in which the rule costs no more than the present request or, where that is not known, than
    /// the vertical pod autoscaler's.
    pub confidence: f64,
}

/// Decides a request after the last row of `usage`, with `current` in force; pure.
///
/// # Errors
/// [`RightsizingError::TooShort`], and [`RightsizingError::NoGain`] when the present request serves as well.
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
    let held = current.map(|current| vec![Some(current); usage.len()]);
    let score = |requests: &[Option<f64>]| score_requests(usage, requests, scored_from_ms).ok_or_else(too_short);
    let leading = score(&requests)?;
    let costs =
        |requests: &[Option<f64>]| daily_costs(usage, requests, scored_from_ms, leading.mean_usage, options.above_cost);
    let ours = costs(&requests);
    let baseline = costs(held.as_deref().unwrap_or(&vpa));
    let wanted = rule.request(at_ms, requests.last().copied().flatten());
    let request = wanted.ok_or_else(too_short)?;
    let present = held.as_deref().map(score).transpose()?;
    // Both on the same usage, the last week's: what the rule did before that says nothing of the two.
    let of_late = |request: f64| {
        let from = usage.timestamps().partition_point(|&step_ms| step_ms < at_ms - LATE_DAYS * DAY_MS);
        mean(&step_costs(&observed(usage, from, usage.len()), request, options.above_cost))
    };
    let present_cost = current.map(of_late);
    if let (Some(current), Some(present), Some(cost)) = (current, present, present_cost)
        && !rule.falls_short(current)
        && ((request - current).abs() <= MOVED * current || cost - of_late(request) <= WORTH)
    {
        let (slack, above) = (present.slack, present.above);
        return Err(RightsizingError::NoGain { resource, current: resource.quantity(current).1, slack, above });
    }
    let promised = held_costs(usage, &requests, scored_from_ms, options.above_cost);
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
        cost: of_a_stretch(&promised).ok_or_else(too_short)?,
        present_cost,
        confidence: no_dearer(&ours, &baseline),
    })
}

/// The usage that was observed between two rows.
fn observed(usage: &DemandHistory, first: usize, end: usize) -> Vec<f64> {
    let end = end.min(usage.len());
    (first..end).filter(|&idx| usage.observed()[idx]).map(|idx| usage.values()[idx]).collect()
}

/// What the requests cost on each day from `from_ms` on, in units of the mean usage; days without a usage are left out.
fn daily_costs(
    usage: &DemandHistory,
    requests: &[Option<f64>],
    from_ms: i64,
    mean_usage: f64,
    above_cost: f64,
) -> Vec<f64> {
    let mut days: Vec<(i64, f64, f64, f64)> = Vec::new();
    let steps = usage.timestamps().iter().zip(usage.values()).zip(usage.observed()).zip(requests);
    for (((&at_ms, &used), &known), request) in steps {
        let (true, true, Some(request)) = (at_ms >= from_ms, known, request) else { continue };
        let day = (at_ms - from_ms) / DAY_MS;
        let (idle, above) = ((request - used).max(0.0), f64::from(u8::from(used > *request)));
        match days.last_mut() {
            Some(last) if last.0 == day => *last = (day, last.1 + idle, last.2 + above, last.3 + 1.0),
            _ => days.push((day, idle, above, 1.0)),
        }
    }
    days.into_iter()
        .map(|(_, idle, above, steps)| cost_of(idle / steps, mean_usage, above / steps, above_cost))
        .collect()
}

/// What the request of each day's beginning has cost, held for [`HELD_DAYS`]; of the last days as long as there was. Requests
/// that no usage of the day before has told are left out.
fn held_costs(usage: &DemandHistory, requests: &[Option<f64>], from_ms: i64, above_cost: f64) -> Vec<f64> {
    let at = |ms: i64| usage.timestamps().partition_point(|&step_ms| step_ms < ms);
    let end_ms = usage.timestamps()[usage.len() - 1] + usage.step_ms();
    let days = (0..).map(|day| from_ms + day * DAY_MS).take_while(|&day_ms| day_ms + DAY_MS <= end_ms);
    let cost = |day_ms: i64| {
        let (first, end) = (at(day_ms), at(day_ms + HELD_DAYS * DAY_MS));
        let request = (*requests.get(first)?)?;
        let known = observed(usage, first, end);
        let told = !known.is_empty() && !observed(usage, at(day_ms - DAY_MS), first).is_empty();
        told.then(|| mean(&step_costs(&known, request, above_cost)))
    };
    days.filter_map(cost).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len().max(1)).unwrap_or(u32::MAX))
}

/// The mean, and between what a stretch to come lies four times of five: of n the k-th least and most, k = (n + 1)/10 and at
/// least 1 (split conformal), and further out by the mean over n + 1, because few tell less than that. None of none.
fn of_a_stretch(costs: &[f64]) -> Option<Interval> {
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let tenth = ((sorted.len() + 1) / 10).max(1) - 1;
    let value = mean(costs);
    let reach = value / f64::from(u32::try_from(sorted.len() + 1).unwrap_or(u32::MAX));
    let (least, most) = (*sorted.get(tenth)?, *sorted.get(sorted.len() - 1 - tenth)?);
    Some(Interval { value, lower: (least.min(value) - reach).max(0.0), upper: most.max(value) + reach })
}

/// Share of resamples of the days in which `ours` cost no more than `theirs`.
fn no_dearer(ours: &[f64], theirs: &[f64]) -> f64 {
    let n = ours.len().min(theirs.len());
    if n == 0 {
        return 0.0;
    }
    let saved = |picks: &Vec<usize>| picks.iter().map(|&day| ours[day] - theirs[day]).sum::<f64>() <= 0.0;
    let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    share(resamples(n).filter(saved).count()) / share(RESAMPLES)
}
