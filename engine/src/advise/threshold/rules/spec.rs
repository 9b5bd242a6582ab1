//! An alerting rule with a bound to advise on, and a rule without advice with its reason.

use super::{
    condition::Condition,
    rule::{Rule, RuleGroup},
};
use crate::advise::threshold::Setting;

/// Position of a rule in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RulePlace {
    /// Index of its group.
    pub group: usize,
    /// Index of the rule in its group.
    pub rule: usize,
}

/// An alerting rule that compares a signal with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// Position in the file.
    pub place: RulePlace,
    /// Name of its group.
    pub group: String,
    /// The alert's name.
    pub alert: String,
    /// Signal, comparison and bound.
    pub condition: Condition,
    /// The expression as written.
    pub expr: String,
    /// `for`, milliseconds.
    pub for_ms: i64,
    /// `keep_firing_for`, milliseconds.
    pub keep_firing_for_ms: i64,
    /// The group's evaluation interval, milliseconds; `None` = the default of Prometheus.
    pub interval_ms: Option<i64>,
    /// The whole rule.
    pub rule: Rule,
    /// The group without its rules.
    pub header: RuleGroup,
    /// Targets whose incidents the rule is scored on; `None`: selected by its labels.
    pub incident_targets: Option<Vec<String>>,
}

/// Kind of a rule without advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotUsed {
    /// The rule is valid and has no bound to advise on.
    Kept,
    /// The rule cannot be parsed or evaluated.
    Skipped,
}

/// A rule, group or file without advice, which is kept unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRule {
    /// The file.
    pub file: String,
    /// Name of the group; empty for a file.
    pub group: String,
    /// Name of the alert; empty for a file or group.
    pub alert: String,
    /// Its expression.
    pub expr: String,
    /// Reason.
    pub reason: String,
    /// Whether the rule is valid.
    pub why: NotUsed,
}

impl KeptRule {
    /// Creates the entry of a file that cannot be read.
    #[must_use]
    pub fn unreadable(file: &str, reason: String) -> Self {
        Self {
            file: file.to_owned(),
            group: String::new(),
            alert: String::new(),
            expr: String::new(),
            reason,
            why: NotUsed::Skipped,
        }
    }

    /// Returns the name for lists: the alert, or the file if there is none.
    #[must_use]
    pub fn target(&self) -> &str {
        if self.alert.is_empty() { &self.file } else { &self.alert }
    }
}

impl RuleSpec {
    /// Returns the present setting.
    #[must_use]
    pub fn setting(&self) -> Setting {
        Setting {
            comparison: self.condition.comparison,
            bound: self.condition.bound,
            for_ms: self.for_ms,
            keep_firing_for_ms: self.keep_firing_for_ms,
        }
    }

    /// Returns the rule's group with only these rules and all its other fields.
    #[must_use]
    pub fn group_of(&self, rules: Vec<Rule>) -> RuleGroup {
        RuleGroup { rules, ..self.header.clone() }
    }
}

/// Returns a unique name for each rule: the alert's name, extended by the group when another alert has the same name
/// apart from case and punctuation, and by a number if that is not enough.
#[must_use]
pub fn rule_names(specs: &[RuleSpec]) -> Vec<String> {
    // Names are compared by their letters and digits, because recording rules are named after them in snake case.
    let plain =
        |name: &str| -> String { name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase() };
    let mut taken: std::collections::HashSet<String> = std::collections::HashSet::new();
    let mut counts: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for spec in specs {
        *counts.entry(plain(&spec.alert)).or_default() += 1;
    }
    specs
        .iter()
        .map(|spec| {
            let alone = counts.get(&plain(&spec.alert)) == Some(&1);
            let name = if alone { spec.alert.clone() } else { format!("{} {}", spec.alert, spec.group) };
            let numbered = (2..).map(|nth| format!("{name} {nth}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(&plain(name)));
            let name = free.unwrap_or(name);
            taken.insert(plain(&name));
            name
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::RuleFile;

    #[test]
    fn names_are_unique() {
        let rule = |alert: &str| format!("  - alert: {alert}\n    expr: up > 1\n");
        let group = |name: &str, alerts: &[&str]| {
            format!("- name: {name}\n  rules:\n{}", alerts.iter().map(|alert| rule(alert)).collect::<String>())
        };
        let text = format!("groups:\n{}{}", group("a", &["High", "Low", "Low"]), group("b", &["high", "Other"]));
        let (specs, _) = RuleFile::parse("r.yml", &text).unwrap().alerts("r.yml");
        assert_eq!(rule_names(&specs), ["High a", "Low a", "Low a 2", "high b", "Other"]);
    }
}
