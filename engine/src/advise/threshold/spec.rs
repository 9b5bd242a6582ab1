//! One alerting rule that advice is wanted on.

use super::{RuleSpec, rule_names};
use crate::{
    advise::{AdvisorSpec, Metric},
    ledger::Direction,
};

/// What is promised where incidents are labelled.
pub(super) const FALSE_ALERTS: Metric =
    Metric { name: "false_alerts_per_week", unit: "1/week", better: Direction::Lower };
/// What is promised where nobody labelled incidents.
pub(super) const ALERTS: Metric = Metric { name: "alerts_per_week", unit: "1/week", better: Direction::Lower };

/// One alerting rule that advice is wanted on. Rules come from the files that Prometheus reads, not from a section of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdSpec {
    /// The rule.
    pub rule: RuleSpec,
    /// What it is called in the ledger: rules that share a name are told apart.
    pub name: String,
    /// Whether its bound may move, by hour of week or with what is expected.
    pub moving_bounds: bool,
}

impl ThresholdSpec {
    /// A rule under its own name.
    #[must_use]
    pub fn new(rule: RuleSpec, moving_bounds: bool) -> Self {
        Self { name: rule.alert.clone(), rule, moving_bounds }
    }

    /// The rules of all files, each under a name of its own.
    #[must_use]
    pub fn of_rules(rules: Vec<RuleSpec>, moving_bounds: bool) -> Vec<Self> {
        let names = rule_names(&rules);
        rules.into_iter().zip(names).map(|(rule, name)| Self { rule, name, moving_bounds }).collect()
    }
}

impl AdvisorSpec for ThresholdSpec {
    fn name(&self) -> &str {
        &self.name
    }

    /// A rule that could be read is checked.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
