use std::collections::VecDeque;

use super::Policy;
use crate::advise::scaling::{Pool, PoolRules, pool::ceil_count};

/// Share by which utilisation may miss its target before the Kubernetes autoscaler acts.
const TOLERANCE: f64 = 0.1;

/// The rule of the Kubernetes Horizontal Pod Autoscaler: ⌈replicas × utilisation / target⌉, nothing
/// within 10 % of the target, and in only to the highest proposal of the stabilisation window.
///
/// # Reference
/// Kubernetes documentation, "Horizontal Pod Autoscaling", algorithm details and `behavior.scaleDown`.
#[derive(Debug, Clone)]
pub struct Reactive {
    rules: PoolRules,
    stabilization_ms: i64,
    last_demand: Option<f64>,
    /// Proposals of the window, timestamps ascending and replicas descending: the front is the highest.
    proposals: VecDeque<(i64, u32)>,
}

impl Reactive {
    /// The rule at the target of `rules`.
    #[must_use]
    pub fn new(rules: PoolRules, stabilization_ms: i64) -> Self {
        Self { rules, stabilization_ms, last_demand: None, proposals: VecDeque::new() }
    }

    fn propose(&self, current: u32) -> u32 {
        let Some(demand) = self.last_demand else { return current };
        let served_at_target = self.rules.capacity * self.rules.target_utilization;
        if current > 0 {
            let ratio = demand / (f64::from(current) * served_at_target);
            if (ratio - 1.0).abs() <= TOLERANCE {
                return current;
            }
        }
        self.rules.admit(ceil_count(demand / served_at_target), current)
    }
}

impl Policy for Reactive {
    fn decide(&mut self, at_ms: i64, pool: &Pool) -> u32 {
        let proposal = self.propose(pool.total());
        while self.proposals.back().is_some_and(|&(_, replicas)| replicas <= proposal) {
            self.proposals.pop_back();
        }
        self.proposals.push_back((at_ms, proposal));
        while self.proposals.front().is_some_and(|&(made_ms, _)| made_ms <= at_ms - self.stabilization_ms)
            && self.proposals.len() > 1
        {
            self.proposals.pop_front();
        }
        let highest = self.proposals.front().map_or(proposal, |&(_, replicas)| replicas);
        // Waiting applies to scaling in alone: a past proposal is no reason to add replicas.
        if proposal >= pool.total() { proposal } else { highest.min(pool.total()) }
    }

    fn observe(&mut self, _at_ms: i64, demand: f64, _observed: bool) {
        self.last_demand = Some(demand);
    }
}
