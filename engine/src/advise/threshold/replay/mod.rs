//! Replays rules as Prometheus evaluates them: the state machine of an alert, its score over a history, a whole rule
//! file on recorded series, and the file with the recommended rules.

mod alert;
mod evaluated;
mod recommended;
mod report;
mod rules;
mod score;
mod source;

pub use alert::{AlertMachine, AlertState};
pub(super) use recommended::bound_name;
pub use report::{RuleFigures, RuleReplay, SignalHistory, ThresholdOptions, ThresholdReplay};
pub use rules::{replay_rules, replay_rules_counted};
pub use score::{Instance, LabelledIncident, RuleScore, Setting, score_rule};
pub(super) use score::{median_step, own_incidents, score_with, split_at, time_at_share};
