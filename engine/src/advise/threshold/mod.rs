//! Threshold advice: replays alerting rules exactly as Prometheus evaluates them, and finds the
//! bound and `for` that keep every labelled incident caught at the fewest false alerts.
//!
//! `rules` reads the files, `replay` replays a rule, `bounds` finds a better setting and takes the simplest that wins, `incidents`
//! decides which incidents a rule is judged by, `describe` words the result, `advice` advises on the rules in force, `breach`
//! estimates when a signal passes its bound.

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
    ThresholdOptions, ThresholdReplay, replay_rules, score_rule,
};
pub use rules::{
    Comparison, Condition, KeptRule, NoBound, NotUsed, Rule, RuleFile, RuleGroup, RulePlace, RuleSpec, RuleSummary,
    format_bound, format_duration, parse_duration, rule_names, split_condition,
};
pub use spec::ThresholdSpec;
