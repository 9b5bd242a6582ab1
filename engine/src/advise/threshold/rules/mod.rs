//! Alerting rules as people have them: the file, an expression taken apart into signal and bound, durations.

mod condition;
mod duration;
mod file;

pub use condition::{Comparison, Condition, format_bound, split_condition};
pub use duration::{format_duration, parse_duration};
pub use file::{KeptRule, Rule, RuleFile, RuleGroup, RulePlace, RuleSpec, rule_names};
