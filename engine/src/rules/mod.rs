//! Evaluates recording and alerting rules of rule files as Prometheus does. Reads no clock: the caller gives the time of
//! each evaluation, stores the samples that it returns, and sends the alerts.
//!
//! Objectives are judged here too (`objective`): they are rules on shares of time.
//!
//! `book` reads files into groups, `group` evaluates one, `alert` holds the alerts of a rule, and `template` expands
//! labels and annotations.

mod alert;
mod book;
mod group;
mod objective;
mod rule;
mod template;

pub use alert::{ActiveAlert, Notice};
pub use book::{RuleBook, RuleFault};
pub use group::{Evaluated, Group, WriteSamples};
pub use objective::{Judged, Limit, Objective, ObjectiveState};
pub use rule::{EvaluatedRule, Health, RuleKind};
