//! Specification of the threshold advisor: one alerting rule, and the metrics that its recommendation predicts.

use super::{RuleSpec, format_duration, rule_names};
use crate::{
    advise::{AdvisorSpec, Metric},
    ledger::Direction,
};

/// Predicted metric when incidents are labelled.
pub(super) const FALSE_ALERTS: Metric =
    Metric { name: "false_alerts_per_week", unit: "1/week", better: Direction::Lower };
/// Predicted metric without labelled incidents.
pub(super) const ALERTS: Metric = Metric { name: "alerts_per_week", unit: "1/week", better: Direction::Lower };

/// One alerting rule to advise on. Rules are read from the rule files of Prometheus, not from a configuration section.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdSpec {
    /// The rule.
    pub rule: RuleSpec,
    /// Target in the ledger, unique among the rules of all files.
    pub name: String,
    /// Whether a bound by hour of week or a band around the expected value may be recommended.
    pub moving_bounds: bool,
}

impl ThresholdSpec {
    /// Creates a specification named after the alert.
    #[must_use]
    pub fn new(rule: RuleSpec, moving_bounds: bool) -> Self {
        Self { name: rule.alert.clone(), rule, moving_bounds }
    }

    /// Creates the specifications of the rules of all files, each with a unique name.
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

    /// Returns `Ok`: parsing has validated the rule.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn explain(&self) -> String {
        let scored = match &self.rule.incident_targets {
            Some(targets) => format!("incidents of {}", targets.join(", ")),
            None => "incidents that its labels select".to_owned(),
        };
        let held =
            if self.rule.for_ms == 0 { String::new() } else { format!(" for {}", format_duration(self.rule.for_ms)) };
        let moving = if self.moving_bounds { ", also one that moves with the hour or the forecast" } else { "" };
        format!("Recommends another bound than {}{held}{moving}, scored on {scored}.", self.rule.expr)
    }
}
