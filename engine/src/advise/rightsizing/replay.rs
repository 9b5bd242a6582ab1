//! Replays a request rule on recorded usage and scores it. Called by `decide` and by the command line.

use serde_json::{Value, json};

use super::{RequestRule, rules::ms_to_f64};
use crate::advise::kit::DemandHistory;

const DAY_MS: f64 = 86_400_000.0;

/// Figures of a request rule on a history of usage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestFigures {
    /// Idle share: requested and not used.
    pub slack: f64,
    /// Share of the scored steps with usage above the request.
    pub above: f64,
    /// Share of the usage above the request: CPU time that waits.
    pub unserved: f64,
    /// Mean request, in the unit of the usage.
    pub mean_request: f64,
    /// Mean usage.
    pub mean_usage: f64,
    /// Changes of the request per day.
    pub changes_per_day: f64,
}

impl RequestFigures {
    /// Returns the cost, see [`cost_of`].
    #[must_use]
    pub fn cost(&self, above_cost: f64) -> f64 {
        cost_of(self.slack * self.mean_request, self.mean_usage, self.above, above_cost)
    }

    /// Returns the figures as JSON, for evidence and replays.
    #[must_use]
    pub fn report(&self, above_cost: f64) -> Value {
        json!({
            "idle_share": self.slack,
            "above_share": self.above,
            "unserved_share": self.unserved,
            "request_mean": self.mean_request,
            "usage_mean": self.mean_usage,
            "cost": self.cost(above_cost),
            "changes_per_day": self.changes_per_day,
        })
    }
}

/// Replays `rule` over `history` and returns the request in effect at each step. The rule decides each step before it
/// observes the usage of that step. None before any usage.
pub fn trace_requests(history: &DemandHistory, rule: &mut dyn RequestRule) -> Vec<Option<f64>> {
    let mut request = None;
    let steps = history.timestamps().iter().zip(history.values()).zip(history.observed());
    steps
        .map(|((&at_ms, &usage), &known)| {
            request = rule.request(at_ms, request);
            if known {
                rule.observe(at_ms, usage);
            }
            request
        })
        .collect()
}

/// Scores `requests` over `history`, on the observed steps from `scored_from_ms` on. None when no such step has a
/// request.
#[must_use]
pub fn score_requests(
    history: &DemandHistory,
    requests: &[Option<f64>],
    scored_from_ms: i64,
) -> Option<RequestFigures> {
    let (mut requested, mut used, mut unserved, mut usage_sum) = (0.0, 0.0, 0.0, 0.0);
    let (mut steps, mut above, mut changes) = (0.0_f64, 0.0, 0.0);
    let mut before = None;
    for (idx, (&at_ms, &request)) in history.timestamps().iter().zip(requests).enumerate() {
        let usage = history.values()[idx];
        if let (true, true, Some(now)) = (at_ms >= scored_from_ms, history.observed()[idx], request) {
            steps += 1.0;
            changes += f64::from(u8::from(before.is_some_and(|before: f64| before.to_bits() != now.to_bits())));
            requested += now;
            used += usage.min(now);
            usage_sum += usage;
            unserved += (usage - now).max(0.0);
            above += f64::from(u8::from(usage > now));
        }
        before = request;
    }
    let days = steps * ms_to_f64(history.step_ms()) / DAY_MS;
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    (steps > 0.0).then(|| RequestFigures {
        slack: 1.0 - ratio(used, requested),
        above: above / steps,
        unserved: ratio(unserved, usage_sum),
        mean_request: requested / steps,
        mean_usage: usage_sum / steps,
        changes_per_day: ratio(changes, days),
    })
}

/// Replays `rule` over `history` and scores it, see [`trace_requests`] and [`score_requests`].
pub fn replay_requests(
    history: &DemandHistory,
    rule: &mut dyn RequestRule,
    scored_from_ms: i64,
) -> Option<RequestFigures> {
    score_requests(history, &trace_requests(history, rule), scored_from_ms)
}

/// Returns the cost of a request: idle capacity in units of the usage, plus `above_cost` times the share of time with
/// usage above it.
#[must_use]
pub fn cost_of(idle: f64, usage: f64, above: f64, above_cost: f64) -> f64 {
    // Without usage every request idles completely.
    let idle = if usage > 0.0 { idle / usage } else { f64::from(u8::from(idle > 0.0)) };
    idle + above_cost * above
}

/// Returns the cost of each step of `usage` at `request`, with idle capacity in units of the mean usage. The mean over
/// the steps is [`cost_of`] the whole.
#[must_use]
pub fn step_costs(usage: &[f64], request: f64, above_cost: f64) -> Vec<f64> {
    let mean_usage = usage.iter().sum::<f64>() / f64::from(u32::try_from(usage.len().max(1)).unwrap_or(u32::MAX));
    let cost =
        |&used: &f64| cost_of((request - used).max(0.0), mean_usage, f64::from(u8::from(used > request)), above_cost);
    usage.iter().map(cost).collect()
}
