//! Threshold advice: replays alerting rules exactly as Prometheus evaluates them, and finds the
//! bound and `for` that keep every labelled incident caught at the fewest false alerts.
//!
//! `rules` reads what people have, `alert` and `score` replay it, `learn`, `hourly`,
//! `band` and `tail` find something better, `decide` takes the simplest that wins, `recommend` writes it.

mod advise;
mod alert;
mod band;
mod decide;
mod error;
mod fetch;
mod hourly;
mod learn;
mod measure;
mod recommend;
mod replay;
mod rules;
mod score;
mod tail;

pub use advise::advise;
pub use alert::{AlertMachine, AlertState};
pub use error::ThresholdError;
pub use measure::measure;
pub use replay::{RuleFigures, RuleReplay, SignalHistory, ThresholdOptions, ThresholdReplay, replay_rules};
pub use rules::{
    Comparison, Condition, KeptRule, Rule, RuleFile, RuleGroup, RulePlace, RuleSpec, format_bound, format_duration,
    parse_duration, split_condition,
};
pub use score::{Instance, LabelledIncident, RuleScore, Setting, score_rule};
pub use tail::PeakTail;
