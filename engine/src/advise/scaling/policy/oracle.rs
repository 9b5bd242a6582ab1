//! The oracle: the fewest replicas that never fall short, computed from all demand. Reference of the replay.

use std::collections::VecDeque;

use crate::advise::scaling::{DemandHistory, PoolRules};

/// Returns the fewest replicas at each step with which the pool never falls short, given all demand.
///
/// A replica that must serve at *s* must be starting since the last step that is at least a start-up time before *s*.
/// Each step therefore needs the maximum of the steps served from it, and that suffices: the ready pool at *s* is the
/// smallest pool since then. The bounds apply; with too low a maximum even the oracle falls short.
#[must_use]
pub fn oracle_plan(history: &DemandHistory, rules: &PoolRules) -> Vec<u32> {
    let timestamps = history.timestamps();
    let n = history.len();
    let mut plan = vec![0; n];
    // Monotonic queue of the steps served from here: indices ascending, needs descending.
    let mut ahead: VecDeque<(usize, u32)> = VecDeque::new();
    let mut next = 0;
    for (idx, replicas) in plan.iter_mut().enumerate() {
        // Step `next` is served from `idx` if the row after `idx` is too late to start for it.
        while next < n
            && (next <= idx || timestamps.get(idx + 1).is_none_or(|&later| later > timestamps[next] - rules.startup_ms))
        {
            let need = rules.needed(history.values()[next]);
            while ahead.back().is_some_and(|&(_, other)| other <= need) {
                ahead.pop_back();
            }
            ahead.push_back((next, need));
            next += 1;
        }
        while ahead.front().is_some_and(|&(step, _)| step < idx) {
            ahead.pop_front();
        }
        let need = ahead.front().map_or(0, |&(_, need)| need);
        *replicas = need.clamp(rules.replicas_min, rules.replicas_max);
    }
    plan
}
