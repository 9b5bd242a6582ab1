//! Parses and writes alerting rules: rule files, durations, and expressions split into a signal and a bound. Reads no
//! data.

mod comparison;
mod condition;
mod duration;
mod expression;
mod file;
mod rule;
mod spec;
mod summary;
mod tokens;
mod yaml;

pub use comparison::{Comparison, format_bound};
pub use condition::{Condition, NoBound, split_condition};
pub use duration::{format_duration, parse_duration};
pub use file::RuleFile;
pub use rule::{Rule, RuleGroup};
pub use spec::{KeptRule, NotUsed, RulePlace, RuleSpec, rule_names};
pub use summary::RuleSummary;
