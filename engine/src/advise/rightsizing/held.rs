//! Figures of a request that is held constant: idle share, time with usage above it, and their variation between
//! stretches of days. Called by `decide` and `measure`.

use super::{CoveringOptions, cost_of, step_costs};
use crate::advise::kit::{DemandHistory, Interval, RESAMPLES, resamples};

const DAY_MS: i64 = 86_400_000;
/// Days for which a promise is made, and after which it is first measured.
pub(super) const HELD_DAYS: i64 = 3;
/// Usage below this part of the minimum request counts as this much. Without it, an idle container's cost would be
/// undefined.
const MIN_USAGE_SHARE: f64 = 0.1;

/// Figures of one request on some usage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// Idle share of the request.
    pub idle_share: f64,
    /// Share of time with usage above the request.
    pub above_share: f64,
    /// Mean idle amount, in cores or bytes.
    pub idle: f64,
    /// Mean usage, in cores or bytes.
    pub usage: f64,
}

impl Held {
    /// Computes the figures of `request` on `usage`. Without usage all of it idles.
    #[must_use]
    pub fn of(usage: &[f64], request: f64) -> Self {
        let n = f64::from(u32::try_from(usage.len().max(1)).unwrap_or(u32::MAX));
        let idle = if usage.is_empty() {
            request
        } else {
            usage.iter().map(|used| (request - used).max(0.0)).sum::<f64>() / n
        };
        let above = usage.iter().filter(|used| **used > request).count();
        Self {
            idle_share: if request > 0.0 { idle / request } else { 0.0 },
            above_share: f64::from(u32::try_from(above).unwrap_or(u32::MAX)) / n,
            idle,
            usage: usage.iter().sum::<f64>() / n,
        }
    }

    /// Returns the cost, see [`cost_of`].
    pub(super) fn cost(&self, options: &CoveringOptions) -> f64 {
        cost_of(self.idle, self.usage.max(MIN_USAGE_SHARE * options.least), self.above_share, options.above_cost)
    }
}

/// Returns the figures of `request` from the start of each day for [`HELD_DAYS`], from row `first` on.
pub(super) fn stretches(usage: &DemandHistory, first: usize, request: f64) -> Vec<Held> {
    let Some(&from_ms) = usage.timestamps().get(first) else { return Vec::new() };
    let end_ms = usage.timestamps()[usage.len() - 1] + usage.step_ms();
    // Only whole stretches count; a shorter history is one stretch.
    let last_ms = (end_ms - HELD_DAYS * DAY_MS).max(from_ms);
    let starts = (0..).map(|day| from_ms + day * DAY_MS).take_while(|&day_ms| day_ms <= last_ms);
    let at = |ms: i64| usage.timestamps().partition_point(|&step_ms| step_ms < ms);
    let held = |day_ms: i64| {
        let known = observed(usage, at(day_ms), at(day_ms + HELD_DAYS * DAY_MS));
        (!known.is_empty()).then(|| Held::of(&known, request))
    };
    starts.filter_map(held).collect()
}

/// Returns for the request at the start of each day its cost over [`HELD_DAYS`] and the cost promised then, which is
/// the upper end of the interval of the earlier stretches. The last days have shorter stretches. A request without
/// usage on the day before is left out.
pub(super) fn held_costs(
    usage: &DemandHistory,
    requests: &[Option<f64>],
    from_ms: i64,
    above_cost: f64,
) -> Vec<(f64, f64)> {
    let at = |ms: i64| usage.timestamps().partition_point(|&step_ms| step_ms < ms);
    let end_ms = usage.timestamps()[usage.len() - 1] + usage.step_ms();
    let days = (0..).map(|day| from_ms + day * DAY_MS).take_while(|&day_ms| day_ms + DAY_MS <= end_ms);
    let cost = |day_ms: i64| {
        let (first, end) = (at(day_ms), at(day_ms + HELD_DAYS * DAY_MS));
        let request = (*requests.get(first)?)?;
        let known = observed(usage, first, end);
        let has_recent_usage = !known.is_empty() && !observed(usage, at(day_ms - DAY_MS), first).is_empty();
        has_recent_usage.then(|| mean(&step_costs(&known, request, above_cost)))
    };
    let costs: Vec<f64> = days.filter_map(cost).collect();
    let promised = |idx: usize| stretch_interval(&costs[..idx]).map_or(f64::INFINITY, |interval| interval.upper);
    (0..costs.len()).map(|idx| (costs[idx], promised(idx))).collect()
}

/// Returns the observed usage between two rows.
fn observed(usage: &DemandHistory, first: usize, end: usize) -> Vec<f64> {
    let end = end.min(usage.len());
    (first..end).filter(|&idx| usage.observed()[idx]).map(|idx| usage.values()[idx]).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len().max(1)).unwrap_or(u32::MAX))
}

/// Returns the mean, and the interval in which a future stretch lies with probability 0.8. None without values.
///
/// The ends are the k-th smallest and largest of n values, k = (n + 1)/10 and at least 1 (split conformal prediction),
/// widened by the mean over n + 1 for small n.
pub(super) fn stretch_interval(values: &[f64]) -> Option<Interval> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let tenth = ((sorted.len() + 1) / 10).max(1) - 1;
    let value = mean(values);
    let reach = value / f64::from(u32::try_from(sorted.len() + 1).unwrap_or(u32::MAX));
    let (least, most) = (*sorted.get(tenth)?, *sorted.get(sorted.len() - 1 - tenth)?);
    Some(Interval { value, lower: (least.min(value) - reach).max(0.0), upper: most.max(value) + reach })
}

/// Returns the share of resamples of the blocks in which `ours` cost no more than `theirs`.
pub(super) fn probability_not_more_expensive(ours: &[f64], theirs: &[f64]) -> f64 {
    let n = ours.len().min(theirs.len());
    if n == 0 {
        return 0.0;
    }
    let no_more = |picks: &Vec<usize>| picks.iter().map(|&block| ours[block] - theirs[block]).sum::<f64>() <= 0.0;
    let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    share(resamples(n).filter(no_more).count()) / share(RESAMPLES)
}
