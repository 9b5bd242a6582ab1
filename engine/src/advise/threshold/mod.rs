//! Threshold advice: replays alerting rules as Prometheus evaluates them, and finds the bound and `for` that catch
//! every labelled incident with the fewest false alerts.
//!
//! `rules` parses rule files. `replay` replays a rule. `bounds` learns a better setting and chooses the simplest that
//! wins. `incidents` selects the incidents that a rule is scored on. `describe` writes the sentence of a
//! recommendation. `advice` runs all of this on the rules in force. `breach` estimates when a signal passes its bound.

mod advice;
mod advisor;
mod bounds;
mod breach;
mod describe;
mod error;
mod incidents;
mod replay;
mod rules;
mod spec;

pub use advice::{ExpectedBreach, RuleFacts, RuleTerms, expected_breaches};
pub use advisor::Threshold;
pub use bounds::{Alternative, PeakTail};
pub use breach::{Breach, time_to_breach};
pub use error::ThresholdError;
pub use incidents::{IncidentTargets, JudgedBy};
pub use replay::{
    AlertMachine, AlertState, Instance, LabelledIncident, RuleFigures, RuleReplay, RuleScore, Setting, SignalHistory,
    ThresholdOptions, ThresholdReplay, replay_rules, replay_rules_counted, score_rule,
};
pub use rules::{
    Comparison, Condition, KeptRule, NoBound, NotUsed, Rule, RuleFile, RuleGroup, RulePlace, RuleSpec, RuleSummary,
    format_bound, format_duration, parse_duration, rule_names, split_condition,
};
pub use spec::ThresholdSpec;
