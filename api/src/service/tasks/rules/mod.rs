//! Rules: evaluates the groups of `alerts.rule_files` on their intervals, stores what they write, and sends alerts.

mod run;
mod send;

pub(super) use run::run;
