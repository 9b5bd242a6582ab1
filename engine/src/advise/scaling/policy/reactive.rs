//! The reactive rule of the Kubernetes autoscaler: the present rule in the replay, and the fallback of the predictive
//! rule.

use super::{Policy, scale_in::ScaleInWindow};
use crate::advise::scaling::{Pool, PoolRules, pool::ceil_count};

/// Relative deviation of utilisation from its target that Kubernetes tolerates.
const TOLERANCE: f64 = 0.1;

/// The rule of the Kubernetes Horizontal Pod Autoscaler: ⌈replicas × utilisation / target⌉. It does nothing within 10 %
/// of the target, and scales in only to the highest proposal of the stabilisation window.
///
/// # Reference
/// Kubernetes documentation, "Horizontal Pod Autoscaling", algorithm details and `behavior.scaleDown`.
#[derive(Debug, Clone)]
pub struct Reactive {
    rules: PoolRules,
    last_demand: Option<f64>,
    proposals: ScaleInWindow,
}

impl Reactive {
    /// Creates the rule with the target of `rules`.
    #[must_use]
    pub fn new(rules: PoolRules, stabilization_ms: i64) -> Self {
        Self { rules, last_demand: None, proposals: ScaleInWindow::new(stabilization_ms) }
    }

    /// Returns the replicas by the formula, before stabilisation.
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
        let highest = self.proposals.most(at_ms, proposal);
        // Stabilisation applies to scaling in alone: a past proposal never adds replicas.
        if proposal >= pool.total() { proposal } else { highest.min(pool.total()) }
    }

    fn observe(&mut self, _at_ms: i64, demand: f64, _observed: bool) {
        self.last_demand = Some(demand);
    }
}
