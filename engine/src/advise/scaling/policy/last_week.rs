//! The rule that repeats last week's demand, for comparison.

use super::Policy;
use crate::advise::scaling::{Pool, PoolRules, pool::ceil_count};

/// Repeats last week: replicas for the demand at the same time a week ago, at the target utilisation. Without a last
/// week, takes the same time a day ago.
///
/// The demand is the maximum from that time until a replica requested then would have been ready.
#[derive(Debug, Clone)]
pub struct LastWeek {
    rules: PoolRules,
    day_ms: i64,
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

impl LastWeek {
    /// Creates the rule for days of `day_ms` and weeks of seven days.
    #[must_use]
    pub fn new(rules: PoolRules, day_ms: i64) -> Self {
        Self { rules, day_ms, timestamps: Vec::new(), values: Vec::new() }
    }

    /// Returns the maximum demand from the row at `from_ms` until one start-up time later.
    fn demand_from(&self, from_ms: i64) -> Option<f64> {
        let first = self.timestamps.partition_point(|&timestamp| timestamp <= from_ms).checked_sub(1)?;
        let end_ms = from_ms.saturating_add(self.rules.startup_ms);
        let end = self.timestamps.partition_point(|&timestamp| timestamp <= end_ms);
        self.values.get(first..end)?.iter().copied().reduce(f64::max)
    }
}

impl Policy for LastWeek {
    fn decide(&mut self, at_ms: i64, pool: &Pool) -> u32 {
        let day = self.day_ms;
        match self.demand_from(at_ms - 7 * day).or_else(|| self.demand_from(at_ms - day)) {
            Some(demand) => ceil_count(demand / (self.rules.capacity * self.rules.target_utilization)),
            None => pool.total(),
        }
    }

    fn observe(&mut self, at_ms: i64, demand: f64, _observed: bool) {
        self.timestamps.push(at_ms);
        self.values.push(demand);
    }
}
