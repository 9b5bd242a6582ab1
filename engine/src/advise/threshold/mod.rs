//! Threshold advice: replays alerting rules exactly as Prometheus evaluates them, and finds the
//! bound and `for` that keep every labelled incident caught at the fewest false alerts.
//!
//! `rules` and `condition` read what people have, `alert` and `score` replay it, `learn`, `hourly`
//! and `tail` find something better, `decide` takes the simplest that wins, `recommend` writes it.

mod advise;
mod alert;
mod condition;
mod decide;
mod duration;
mod error;
mod hourly;
mod learn;
mod recommend;
mod replay;
mod rules;
mod score;
mod tail;

pub use advise::advise;
pub use alert::{AlertMachine, AlertState};
pub use condition::{Comparison, Condition, format_bound, split_condition};
pub use duration::{format_duration, parse_duration};
pub use error::ThresholdError;
pub use replay::{RuleFigures, RuleReplay, SignalHistory, ThresholdOptions, ThresholdReplay, replay_rules};
pub use rules::{KeptRule, Rule, RuleFile, RuleGroup, RulePlace, RuleSpec};
pub use score::{Instance, LabelledIncident, RuleScore, Setting, score_rule};
pub use tail::PeakTail;
