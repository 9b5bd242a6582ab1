//! The fewest replicas that never fall short, with the future known.

use std::collections::VecDeque;

use crate::advise::scaling::{DemandHistory, PoolRules};

/// The fewest replicas, at each step, by which the pool never falls short of demand: the future known.
///
/// A replica that must serve at *s* has to be there, starting, from the last step that is a
/// start-up or more before *s*. So each step needs what the steps served from it need at most, and that suffices:
/// what is ready at *s* is the smallest pool since then. The bounds hold; with a maximum too low,
/// even the oracle falls short.
#[must_use]
pub fn oracle_plan(history: &DemandHistory, rules: &PoolRules) -> Vec<u32> {
    let timestamps = history.timestamps();
    let n = history.len();
    let mut plan = vec![0; n];
    // Steps served from here, timestamps ascending and needs descending.
    let mut ahead: VecDeque<(usize, u32)> = VecDeque::new();
    let mut next = 0;
    for (idx, replicas) in plan.iter_mut().enumerate() {
        // Step `next` is served from `idx` when the row after `idx` comes too late to start for it.
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
