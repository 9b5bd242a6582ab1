//! Decides the replicas of one workload and evaluates the decision on the workload's own history. Called by `advisor`;
//! reads no store.

use super::{
    Capacity, CompareOptions, Comparison, Coverage, DemandHistory, Policy, Pool, PoolRules, Predictive, ResourceUse,
    ScalingError, Trace, WorkloadHistory, WorkloadSpec, compare, largest_demand, simulate,
};
use crate::advise::kit::{Interval, RESAMPLES, resamples};

const DAY_MS: i64 = 86_400_000;
/// Minimum number of steps for a decision.
const MIN_STEPS: usize = 200;
/// Number of blocks of the scored history that are resampled.
const BLOCKS: usize = 28;
/// Minimum confidence of a recommendation: more likely than not to serve as well.
pub(super) const MIN_CONFIDENCE: f64 = 0.5;
/// Minimum saving of replica-hours that is worth a change by itself, as a share.
const MIN_SAVED_HOURS: f64 = 0.02;
/// Minimum part of the shortfall at the same cost that must disappear to be worth a change by itself, as a share.
const MIN_SHORTFALL_CUT: f64 = 0.1;

/// Decision for one workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Rules of the pool, with the capacity.
    pub rules: PoolRules,
    /// Capacity of one replica.
    pub capacity: Capacity,
    /// Time of the decision, the step after the last row, epoch milliseconds.
    pub at_ms: i64,
    /// Replicas wanted now.
    pub replicas: u32,
    /// Rule that decided.
    pub rule: Rule,
    /// Replicas that the last observed demand needs.
    pub floor: u32,
    /// Replicas that are ready now, if known.
    pub current: Option<u32>,
    /// Last observed demand.
    pub demand: f64,
    /// Demand that was decided on: of several resources the largest, see [`largest_demand`].
    pub history: DemandHistory,
    /// Comparison of the resources; empty for a single one.
    pub resources: Vec<ResourceUse>,
    /// Measured coverage of the forecast.
    pub coverage: Coverage,
    /// Comparison of the policies on the workload's own history.
    pub comparison: Comparison,
    /// Length of the history that was not scored, milliseconds.
    pub warmup_ms: i64,
    /// Predicted under-provisioned share with its 80 % interval.
    pub under_provisioned: Interval,
    /// Share of resampled histories in which the rule falls short no more often than the reactive rule at the same
    /// cost, or than the plain reactive rule if it is recommended for its savings.
    pub confidence: f64,
}

/// Rule that decides now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The forecast.
    Predictive,
    /// The reactive rule, because the forecast's coverage is too low or the history is short.
    Reactive,
}

/// Decides the number of replicas after the last row of `history`, without I/O.
///
/// # Errors
/// [`ScalingError::TooShort`], [`ScalingError::CapacityUnknown`], [`ScalingError::NoGain`] when the reactive rule is as
/// good, [`ScalingError::Unsure`] when the confidence is too low, and those of [`compare`].
pub fn decide(history: &WorkloadHistory, spec: &WorkloadSpec) -> Result<Decision, ScalingError> {
    if history.demand.len() < MIN_STEPS {
        return Err(ScalingError::TooShort { points: history.demand.len(), needed: MIN_STEPS });
    }
    let capacity = match spec.capacity_per_replica {
        Some(capacity) => Capacity::stated(capacity),
        None => Capacity::learn(history, spec.latency_max)?,
    };
    // A learned capacity is used at its lower end, which makes shortfalls less likely.
    let rules = spec.pool_rules(capacity.lower);
    rules.check()?;
    let (largest, resources) = largest_demand(history, spec, rules.capacity)?;
    let demand = &largest;
    let options = compare_options(demand, &rules, spec);
    let comparison = compare(demand, &rules, &options)?;
    // The policy is replayed once more to obtain its state after the last row.
    let mut policy = Predictive::new(rules, options.predictive(demand.step_ms()));
    let trace = simulate(demand, &rules, options.initial, &mut policy);
    let (at_ms, last) = (next_step(demand), demand.values()[demand.len() - 1]);
    let current = known_replicas(history);
    let replayed = trace.desired.last().copied().unwrap_or(options.initial);
    let pool = Pool::new(current.unwrap_or(replayed));
    let replicas = rules.admit(policy.decide(at_ms, &pool), pool.total());
    let coverage = policy.coverage();
    let rule = if policy.acts_on_forecast() { Rule::Predictive } else { Rule::Reactive };
    let blocks = ResampleBlocks::new(demand, &rules, comparison.scored_from_ms);
    let under_provisioned = blocks.interval(&comparison.trace);
    let compared = comparison_trace(&comparison)?;
    let confidence = blocks.probability_not_worse(&comparison.trace, compared);
    if confidence < MIN_CONFIDENCE {
        return Err(ScalingError::Unsure { confidence, least: MIN_CONFIDENCE });
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
        warmup_ms: options.warmup_ms,
        under_provisioned,
        confidence,
    })
}

/// Returns the options of the replay of `demand`.
pub(super) fn compare_options(demand: &DemandHistory, rules: &PoolRules, spec: &WorkloadSpec) -> CompareOptions {
    CompareOptions {
        initial: rules.admit(rules.needed(demand.values()[0] / rules.target_utilization), 0),
        warmup_ms: warmup(demand, spec.day_ms),
        day_ms: spec.day_ms,
        stabilization_ms: spec.scale_in_stabilization_ms,
        unserved_cost_ratio: spec.unserved_cost_ratio,
        // Days of another length than 24 hours follow no time zone.
        zone: spec.zone.filter(|_| spec.day_ms == DAY_MS),
    }
}

/// Returns seven days if at least a day is left to score after them, otherwise half of the history.
fn warmup(demand: &DemandHistory, day_ms: i64) -> i64 {
    let span_ms = next_step(demand) - demand.timestamps()[0];
    let week_ms = 7 * day_ms;
    if span_ms >= week_ms + day_ms { week_ms } else { span_ms / 2 }
}

/// Returns the instant after the last row, epoch milliseconds.
fn next_step(demand: &DemandHistory) -> i64 {
    demand.timestamps()[demand.len() - 1] + demand.step_ms()
}

/// Returns the last known number of replicas, at most five steps old.
fn known_replicas(history: &WorkloadHistory) -> Option<u32> {
    let last = history.replicas.as_ref()?.iter().rev().take(5).find(|value| value.is_finite())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let replicas = last.round() as u32;
    Some(replicas)
}

/// Returns the trace that the predictive rule is compared with: the reactive rule at the same cost if the predictive
/// rule serves better, the plain reactive rule if it saves.
fn comparison_trace(comparison: &Comparison) -> Result<&Trace, ScalingError> {
    let Comparison { predictive, reactive, same_cost, .. } = comparison;
    let serves_better = predictive.under_provisioned_share < same_cost.under_provisioned_share
        && predictive.under_provisioned_share <= (1.0 - MIN_SHORTFALL_CUT) * same_cost.under_provisioned_share;
    let saves = predictive.under_provisioned_share <= reactive.under_provisioned_share
        && predictive.replica_hours < (1.0 - MIN_SAVED_HOURS) * reactive.replica_hours;
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

/// Blocks of equal length of the scored history. Shortfalls come in bursts, so blocks are resampled instead of steps.
struct ResampleBlocks<'a> {
    history: &'a DemandHistory,
    rules: &'a PoolRules,
    first: usize,
}

impl<'a> ResampleBlocks<'a> {
    fn new(history: &'a DemandHistory, rules: &'a PoolRules, scored_from_ms: i64) -> Self {
        let first = history.timestamps().partition_point(|&timestamp| timestamp < scored_from_ms);
        Self { history, rules, first }
    }

    /// Returns the under-provisioned and the scored steps of each block.
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

    /// Returns the share of under-provisioned steps with an 80 % bootstrap interval. Its upper end is at least
    /// Laplace's (k + 1)/(n + 2): no observed shortfall does not exclude later ones.
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

    /// Returns the share of resamples in which `trace` falls short no more often than `other`.
    fn probability_not_worse(&self, trace: &Trace, other: &Trace) -> f64 {
        let (ours, theirs) = (self.counts(trace), self.counts(other));
        let no_worse = resamples(ours.len())
            .filter(|picks| picks.iter().map(|&idx| ours[idx].0 - theirs[idx].0).sum::<f64>() <= 0.0)
            .count();
        f64::from(u32::try_from(no_worse).unwrap_or(u32::MAX)) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 55 minutes short in three weeks instead of 57 for the same money are no reason to change a rule.
    #[test]
    fn a_change_needs_a_gain_that_somebody_would_notice() {
        let values: Vec<f64> = (0..2_000).map(|step| if step % 100 < 50 { 100.0 } else { 900.0 }).collect();
        let demand = DemandHistory::try_new((0..2_000).map(|step| step * 60_000).collect(), values).unwrap();
        let rules = WorkloadSpec::new("api", "demand").pool_rules(100.0);
        let options = CompareOptions {
            initial: 2,
            warmup_ms: 30_000_000,
            day_ms: 6_000_000,
            stabilization_ms: 300_000,
            unserved_cost_ratio: None,
            zone: None,
        };
        let mut comparison = compare(&demand, &rules, &options).unwrap();
        let mut chosen = |predictive: f64, same_cost: f64, hours: f64| {
            comparison.predictive.under_provisioned_share = predictive;
            comparison.same_cost.under_provisioned_share = same_cost;
            comparison.reactive.under_provisioned_share = same_cost;
            comparison.predictive.replica_hours = hours;
            comparison.reactive.replica_hours = 100.0;
            comparison_trace(&comparison).is_ok()
        };
        assert!(!chosen(0.001_82, 0.001_88, 105.0));
        assert!(chosen(0.001_2, 0.001_88, 105.0));
        assert!(!chosen(0.0, 0.0, 105.0), "nothing falls short");
        assert!(chosen(0.001_82, 0.001_88, 95.0), "it saves replica-hours");
    }
}
