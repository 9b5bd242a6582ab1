//! Drives a policy over a history step by step, and scores the result. Called by `compare` and `decide`.

use crate::advise::scaling::{DemandHistory, Policy, Pool, PoolRules};

/// Wanted and ready replicas at each step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Replicas ready or starting, with the bounds applied.
    pub desired: Vec<u32>,
    /// Replicas that are ready.
    pub ready: Vec<u32>,
}

/// Figures of a policy on a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyFigures {
    /// Share of the scored steps in which demand exceeded the ready capacity.
    pub under_provisioned_share: f64,
    /// Share of the demand of the scored steps that exceeded the ready capacity.
    pub unserved_share: f64,
    /// Replicas ready or starting, times hours, over the scored steps.
    pub replica_hours: f64,
    /// `replica_hours` divided by the oracle's.
    pub replica_hours_over_oracle: f64,
    /// Changes of the wanted number per day of scored steps.
    pub scale_changes_per_day: f64,
    /// Under-provisioned time, minutes.
    pub under_provisioned_minutes: f64,
}

/// Drives `policy` over `history`. It decides each step before it observes the step's demand.
///
/// `initial` replicas are ready at the first row.
pub fn simulate(history: &DemandHistory, rules: &PoolRules, initial: u32, policy: &mut dyn Policy) -> Trace {
    let mut pool = Pool::new(initial);
    let mut trace = Trace { desired: Vec::with_capacity(history.len()), ready: Vec::with_capacity(history.len()) };
    for (idx, &at_ms) in history.timestamps().iter().enumerate() {
        pool.advance(at_ms);
        let desired = rules.admit(policy.decide(at_ms, &pool), pool.total());
        pool.resize(desired, at_ms, rules.startup_ms);
        trace.desired.push(pool.total());
        trace.ready.push(pool.ready());
        policy.observe(at_ms, history.values()[idx], history.observed()[idx]);
    }
    trace
}

/// Returns the trace of a given plan. The pool starts with the plan's first number of ready replicas.
#[must_use]
pub fn follow(history: &DemandHistory, rules: &PoolRules, plan: &[u32]) -> Trace {
    let mut pool = Pool::new(plan.first().copied().unwrap_or(0));
    let mut trace = Trace::default();
    for (&at_ms, &desired) in history.timestamps().iter().zip(plan) {
        pool.resize(desired, at_ms, rules.startup_ms);
        trace.desired.push(pool.total());
        trace.ready.push(pool.ready());
    }
    trace
}

/// Scores a trace on the rows from `scored_from_ms` with observed demand.
///
/// `oracle_hours`: replica-hours of the oracle on the same rows.
#[must_use]
pub fn score(
    history: &DemandHistory,
    rules: &PoolRules,
    trace: &Trace,
    scored_from_ms: i64,
    oracle_hours: Option<f64>,
) -> PolicyFigures {
    let step_hours = ms_to_f64(history.step_ms()) / 3_600_000.0;
    let first = history.timestamps().partition_point(|&timestamp| timestamp < scored_from_ms);
    let mut steps = 0.0_f64;
    let (mut under, mut unserved, mut demand_sum, mut replicas, mut changes) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for idx in first..history.len() {
        if idx > 0 && trace.desired[idx] != trace.desired[idx - 1] {
            changes += 1.0;
        }
        if !history.observed()[idx] {
            continue;
        }
        let demand = history.values()[idx];
        let served = f64::from(trace.ready[idx]) * rules.capacity;
        steps += 1.0;
        demand_sum += demand;
        replicas += f64::from(trace.desired[idx]);
        if demand > served {
            under += 1.0;
            unserved += demand - served;
        }
    }
    let replica_hours = replicas * step_hours;
    PolicyFigures {
        under_provisioned_share: ratio(under, steps),
        unserved_share: ratio(unserved, demand_sum),
        replica_hours,
        replica_hours_over_oracle: ratio(replica_hours, oracle_hours.unwrap_or(replica_hours)),
        scale_changes_per_day: ratio(changes, steps * step_hours / 24.0),
        under_provisioned_minutes: under * step_hours * 60.0,
    }
}

/// Returns `part / whole`, and 0 for an empty whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53 ms")]
fn ms_to_f64(millis: i64) -> f64 {
    millis as f64
}
