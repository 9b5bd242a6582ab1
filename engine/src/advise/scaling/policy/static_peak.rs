//! A pool of fixed size for the peak of the warm-up, for comparison.

use super::Policy;
use crate::advise::scaling::{Pool, PoolRules, pool::ceil_count};

/// A pool of fixed size for the highest demand of the warm-up, at the target utilisation.
///
/// During the warm-up, which is not scored, it follows the highest demand so far.
#[derive(Debug, Clone)]
pub struct StaticPeak {
    rules: PoolRules,
    warm_until_ms: i64,
    peak: Option<f64>,
}

impl StaticPeak {
    /// Creates the rule for a warm-up that ends before `warm_until_ms`.
    #[must_use]
    pub fn new(rules: PoolRules, warm_until_ms: i64) -> Self {
        Self { rules, warm_until_ms, peak: None }
    }
}

impl Policy for StaticPeak {
    fn decide(&mut self, _at_ms: i64, pool: &Pool) -> u32 {
        match self.peak {
            Some(peak) => ceil_count(peak / (self.rules.capacity * self.rules.target_utilization)),
            None => pool.total(),
        }
    }

    fn observe(&mut self, at_ms: i64, demand: f64, _observed: bool) {
        if at_ms < self.warm_until_ms {
            self.peak = Some(self.peak.map_or(demand, |peak| peak.max(demand)));
        }
    }
}
