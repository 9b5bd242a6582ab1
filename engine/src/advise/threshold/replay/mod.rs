//! Rules replayed as Prometheus evaluates them: the state machine of an alert, what it did over a history, a whole rule file on
//! recorded series, and the file with the recommended rules in place.

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
pub use rules::replay_rules;
pub use score::{Instance, LabelledIncident, RuleScore, Setting, score_rule};
pub(super) use score::{cut, median_step, own, passed, score_by};
