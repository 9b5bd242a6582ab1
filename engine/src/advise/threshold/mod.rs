//! Threshold advice: replays alerting rules exactly as Prometheus evaluates them, and finds the
//! bound and `for` that keep every labelled incident caught at the fewest false alerts.
//!
//! `rules` reads what people have, `replay` replays it, `bounds` finds something better and takes the simplest that wins, `advice`
//! speaks of the rules in force, `breach` tells when a signal passes its bound.

mod advice;
mod advisor;
mod bounds;
mod breach;
mod error;
mod replay;
mod rules;
mod spec;

pub use advice::{ExpectedBreach, RuleFacts, RuleTerms, expected_breaches};
pub use advisor::Threshold;
pub use bounds::PeakTail;
pub use breach::{Breach, time_to_breach};
pub use error::ThresholdError;
pub use replay::{
    AlertMachine, AlertState, Instance, LabelledIncident, RuleFigures, RuleReplay, RuleScore, Setting, SignalHistory,
    ThresholdOptions, ThresholdReplay, replay_rules, score_rule,
};
pub use rules::{
    Comparison, Condition, KeptRule, Rule, RuleFile, RuleGroup, RulePlace, RuleSpec, format_bound, format_duration,
    parse_duration, rule_names, split_condition,
};
pub use spec::ThresholdSpec;
