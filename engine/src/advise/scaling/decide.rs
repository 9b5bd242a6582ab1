//! The decision on the replicas of one workload, with its proof on the workload's own history.

use super::{
    Capacity, CompareOptions, Comparison, Coverage, DemandHistory, Policy, Pool, PoolRules, Predictive, ResourceUse,
    ScalingError, Trace, WorkloadHistory, WorkloadSpec, compare, largest_demand, simulate,
};
use crate::advise::kit::{Interval, RESAMPLES, resamples};

const DAY_MS: i64 = 86_400_000;
/// Steps of history below which nothing is decided.
const LEAST_STEPS: usize = 200;
/// Stretches of the scored history that are resampled.
const BLOCKS: usize = 28;
/// No recommendation with less confidence than this: it must be likelier to serve as well than not.
pub(super) const LEAST_CONFIDENCE: f64 = 0.5;
/// Saving of replica-hours that is worth a change by itself.
const WORTH_HOURS: f64 = 0.02;

/// What is decided for one workload; pure.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The pool's rules, capacity included.
    pub rules: PoolRules,
    /// What one replica serves.
    pub capacity: Capacity,
    /// The instant of the decision: the step after the last row.
    pub at_ms: i64,
    /// Replicas wanted now.
    pub replicas: u32,
    /// Which rule said so.
    pub rule: Rule,
    /// Replicas that the demand seen last needs.
    pub floor: u32,
    /// Replicas ready now, where that is known.
    pub current: Option<u32>,
    /// The demand seen last.
    pub demand: f64,
    /// The demand decided on: of several resources the largest, see [`largest_demand`].
    pub history: DemandHistory,
    /// How the resources did beside each other; empty where there is one alone.
    pub resources: Vec<ResourceUse>,
    /// How the forecast stands.
    pub coverage: Coverage,
    /// The policies on the workload's own history.
    pub comparison: Comparison,
    /// What was left out of the score as history.
    pub warmup_ms: i64,
    /// Predicted under-provisioned share with its 80 % interval.
    pub under_provisioned: Interval,
    /// Share of resampled histories in which the rule fell short no more than the reactive rule at the same cost, or than the reactive
    /// rule where it is recommended because it saves.
    pub confidence: f64,
}

/// The rule that decides now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// By the forecast.
    Predictive,
    /// The reactive rule, because the forecast's coverage does not hold or the history is short.
    Reactive,
}

/// Decides how many replicas there should be after the last row of `history`.
///
/// # Errors
/// [`ScalingError::TooShort`], [`ScalingError::CapacityUnknown`], [`ScalingError::NoGain`] when the reactive rule serves the workload as
/// well, [`ScalingError::Unsure`] when too little speaks for the forecast, and those of [`compare`].
pub fn decide(history: &WorkloadHistory, spec: &WorkloadSpec) -> Result<Decision, ScalingError> {
    if history.demand.len() < LEAST_STEPS {
        return Err(ScalingError::TooShort { points: history.demand.len(), needed: LEAST_STEPS });
    }
    let capacity = match spec.capacity_per_replica {
        Some(capacity) => Capacity::stated(capacity),
        None => Capacity::learn(history, spec.latency_max)?,
    };
    // A learned capacity is used at its lower end: what is not sure is not relied on.
    let rules = spec.pool_rules(capacity.lower);
    rules.check()?;
    let (largest, resources) = largest_demand(history, spec, rules.capacity)?;
    let demand = &largest;
    let warmup_ms = warmup(demand, spec.day_ms);
    let options = CompareOptions {
        initial: rules.admit(rules.needed(demand.values()[0] / rules.target_utilization), 0),
        warmup_ms,
        day_ms: spec.day_ms,
        stabilization_ms: spec.scale_in_stabilization_ms,
        unserved_cost_ratio: spec.unserved_cost_ratio,
        // Days of another length follow no clocks.
        zone: spec.zone.filter(|_| spec.day_ms == DAY_MS),
    };
    let comparison = compare(demand, &rules, &options)?;
    let mut policy = Predictive::new(rules, options.predictive(demand.step_ms()));
    let trace = simulate(demand, &rules, options.initial, &mut policy);
    let (at_ms, last) = (next_step(demand), demand.values()[demand.len() - 1]);
    let current = known_replicas(history);
    let replayed = trace.desired.last().copied().unwrap_or(options.initial);
    let pool = Pool::new(current.unwrap_or(replayed));
    let replicas = rules.admit(policy.decide(at_ms, &pool), pool.total());
    let coverage = policy.coverage();
    let rule = if policy.acts_on_forecast() { Rule::Predictive } else { Rule::Reactive };
    let blocks = Blocks::new(demand, &rules, comparison.scored_from_ms);
    let under_provisioned = blocks.interval(&comparison.trace);
    let rival = gain(&comparison)?;
    let confidence = blocks.probability_not_worse(&comparison.trace, rival);
    if confidence < LEAST_CONFIDENCE {
        return Err(ScalingError::Unsure { confidence, least: LEAST_CONFIDENCE });
    }
    Ok(Decision {
        rules,
        capacity,
        at_ms,
        replicas,
        rule,
        floor: rules.needed_with_headroom(last),
        current,
        demand: last,
        history: largest,
        resources,
        coverage,
        comparison,
        warmup_ms,
        under_provisioned,
        confidence,
    })
}

/// Seven days where something is left to score after them, otherwise half of the history.
fn warmup(demand: &DemandHistory, day_ms: i64) -> i64 {
    let span_ms = next_step(demand) - demand.timestamps()[0];
    let week_ms = 7 * day_ms;
    if span_ms >= week_ms + day_ms { week_ms } else { span_ms / 2 }
}

fn next_step(demand: &DemandHistory) -> i64 {
    demand.timestamps()[demand.len() - 1] + demand.step_ms()
}

/// The last number of replicas that is known.
fn known_replicas(history: &WorkloadHistory) -> Option<u32> {
    let last = history.replicas.as_ref()?.iter().rev().take(5).find(|value| value.is_finite())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let replicas = last.round() as u32;
    Some(replicas)
}

/// The trace over which the predictive rule gains: that of the same cost where it serves better, the reactive rule's where it saves.
fn gain(comparison: &Comparison) -> Result<&Trace, ScalingError> {
    let Comparison { predictive, reactive, same_cost, .. } = comparison;
    let serves_better = predictive.under_provisioned_share < same_cost.under_provisioned_share;
    let saves = predictive.under_provisioned_share <= reactive.under_provisioned_share
        && predictive.replica_hours < (1.0 - WORTH_HOURS) * reactive.replica_hours;
    if serves_better {
        return Ok(&comparison.same_cost_trace);
    }
    if saves {
        return Ok(&comparison.reactive_trace);
    }
    Err(ScalingError::NoGain {
        under_provisioned_share: predictive.under_provisioned_share,
        same_cost_share: same_cost.under_provisioned_share,
    })
}

/// Stretches of equal length of the scored history; shortfalls come in bursts, so stretches are resampled and not steps.
struct Blocks<'a> {
    history: &'a DemandHistory,
    rules: &'a PoolRules,
    first: usize,
}

impl<'a> Blocks<'a> {
    fn new(history: &'a DemandHistory, rules: &'a PoolRules, scored_from_ms: i64) -> Self {
        let first = history.timestamps().partition_point(|&timestamp| timestamp < scored_from_ms);
        Self { history, rules, first }
    }

    /// Under-provisioned and scored steps of each stretch.
    fn counts(&self, trace: &Trace) -> Vec<(f64, f64)> {
        let n = self.history.len();
        let length = (n - self.first).div_ceil(BLOCKS).max(1);
        let count = |start: usize| {
            let mut counts = (0.0, 0.0);
            for idx in start..(start + length).min(n) {
                if self.history.observed()[idx] {
                    let served = f64::from(trace.ready[idx]) * self.rules.capacity;
                    counts.0 += f64::from(u8::from(self.history.values()[idx] > served));
                    counts.1 += 1.0;
                }
            }
            counts
        };
        (self.first..n).step_by(length).map(count).collect()
    }

    /// The share of under-provisioned steps with an 80 % bootstrap interval; its upper end is at least
    /// Laplace's (k + 1)/(n + 2), because no shortfall seen is not none to come.
    fn interval(&self, trace: &Trace) -> Interval {
        let counts = self.counts(trace);
        let (under, steps) = counts.iter().fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        let mut shares: Vec<f64> = resamples(counts.len())
            .map(|picks| {
                let (under, steps) =
                    picks.iter().fold((0.0, 0.0), |sum, &idx| (sum.0 + counts[idx].0, sum.1 + counts[idx].1));
                if steps > 0.0 { under / steps } else { 0.0 }
            })
            .collect();
        shares.sort_by(f64::total_cmp);
        let value = if steps > 0.0 { under / steps } else { 0.0 };
        Interval {
            value,
            lower: shares[RESAMPLES / 10].min(value),
            upper: shares[RESAMPLES * 9 / 10].max((under + 1.0) / (steps + 2.0)),
        }
    }

    /// Share of resamples in which `trace` falls short no more often than `other`.
    fn probability_not_worse(&self, trace: &Trace, other: &Trace) -> f64 {
        let (ours, theirs) = (self.counts(trace), self.counts(other));
        let no_worse = resamples(ours.len())
            .filter(|picks| picks.iter().map(|&idx| ours[idx].0 - theirs[idx].0).sum::<f64>() <= 0.0)
            .count();
        f64::from(u32::try_from(no_worse).unwrap_or(u32::MAX)) / 1_000.0
    }
}
