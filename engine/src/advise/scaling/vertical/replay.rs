use super::{RequestRule, histogram::ms_to_f64};
use crate::advise::scaling::DemandHistory;

const DAY_MS: f64 = 86_400_000.0;

/// What a rule for requests would have done on a history of usage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestFigures {
    /// Share of what was requested that was not used.
    pub slack: f64,
    /// Share of the scored steps whose usage exceeded the request.
    pub above: f64,
    /// Share of the usage that exceeded the request: CPU that waits.
    pub unserved: f64,
    /// Mean request, in the unit of the usage.
    pub mean_request: f64,
    /// Changes of the request, a day.
    pub changes_per_day: f64,
}

/// Drives `rule` over `history`: it decides each step before it sees the step's usage. Scored are the steps from
/// `scored_from_ms` whose usage was there; none when no such step has a request.
pub fn replay_requests(
    history: &DemandHistory,
    rule: &mut dyn RequestRule,
    scored_from_ms: i64,
) -> Option<RequestFigures> {
    let (mut requested, mut used, mut unserved, mut usage_sum) = (0.0, 0.0, 0.0, 0.0);
    let (mut steps, mut above, mut changes) = (0.0_f64, 0.0, 0.0);
    let mut request = None;
    for (idx, &at_ms) in history.timestamps().iter().enumerate() {
        let before = request;
        request = rule.request(at_ms, before);
        let usage = history.values()[idx];
        let known = history.observed()[idx];
        if let (true, true, Some(now)) = (at_ms >= scored_from_ms, known, request) {
            steps += 1.0;
            changes += f64::from(u8::from(before.is_some_and(|before| before.to_bits() != now.to_bits())));
            requested += now;
            used += usage.min(now);
            usage_sum += usage;
            unserved += (usage - now).max(0.0);
            above += f64::from(u8::from(usage > now));
        }
        if known {
            rule.observe(at_ms, usage);
        }
    }
    let days = steps * ms_to_f64(history.step_ms()) / DAY_MS;
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    (steps > 0.0).then(|| RequestFigures {
        slack: 1.0 - ratio(used, requested),
        above: above / steps,
        unserved: ratio(unserved, usage_sum),
        mean_request: requested / steps,
        changes_per_day: ratio(changes, days),
    })
}
