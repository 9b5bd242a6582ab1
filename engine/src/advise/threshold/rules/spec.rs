//! An alerting rule that is advised on, and one that is not, with the reason.

use super::{
    condition::Condition,
    rule::{Rule, RuleGroup},
};
use crate::advise::threshold::Setting;

/// Where a rule is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RulePlace {
    /// Index of its group.
    pub group: usize,
    /// Index of the rule in it.
    pub rule: usize,
}

/// An alerting rule that compares a signal with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// Where it is.
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
    /// The group's evaluation interval, milliseconds; `None` = Prometheus' own default.
    pub interval_ms: Option<i64>,
    /// The whole rule.
    pub rule: Rule,
    /// Its group without the rules.
    pub header: RuleGroup,
    /// Targets whose incidents it is judged by; `None`: by its labels.
    pub incident_targets: Option<Vec<String>>,
}

/// Whether a rule without advice is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotUsed {
    /// It is read, and has no bound to advise on.
    Kept,
    /// It cannot be read or evaluated.
    Skipped,
}

/// A rule, or a file or group, that is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRule {
    /// The file.
    pub file: String,
    /// Its group; empty for a whole file.
    pub group: String,
    /// The alert's name; empty for a whole file or group.
    pub alert: String,
    /// Its expression.
    pub expr: String,
    /// Why it gets no advice.
    pub reason: String,
    /// Whether that is a fault.
    pub why: NotUsed,
}

impl KeptRule {
    /// A file that could not be read.
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

    /// What it is called in lists: the alert, else the file.
    #[must_use]
    pub fn target(&self) -> &str {
        if self.alert.is_empty() { &self.file } else { &self.alert }
    }
}

impl RuleSpec {
    /// What can be chosen of it, as it is.
    #[must_use]
    pub fn setting(&self) -> Setting {
        Setting {
            comparison: self.condition.comparison,
            bound: self.condition.bound,
            for_ms: self.for_ms,
            keep_firing_for_ms: self.keep_firing_for_ms,
        }
    }

    /// The rule's group with these rules alone, and with all else that it has.
    #[must_use]
    pub fn group_of(&self, rules: Vec<Rule>) -> RuleGroup {
        RuleGroup { rules, ..self.header.clone() }
    }
}

/// What each rule is called where rules are told apart: its alert's name, with its group where another has the same but for case and
/// punctuation, and a number where that is not enough.
#[must_use]
pub fn rule_names(specs: &[RuleSpec]) -> Vec<String> {
    // Recording rules are named after it, and those names have fewer signs.
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
    fn twins_are_told_apart() {
        let rule = |alert: &str| format!("  - alert: {alert}\n    expr: up > 1\n");
        let group = |name: &str, alerts: &[&str]| {
            format!("- name: {name}\n  rules:\n{}", alerts.iter().map(|alert| rule(alert)).collect::<String>())
        };
        let text = format!("groups:\n{}{}", group("a", &["High", "Low", "Low"]), group("b", &["high", "Other"]));
        let (specs, _) = RuleFile::parse("r.yml", &text).unwrap().alerts("r.yml");
        assert_eq!(rule_names(&specs), ["High a", "Low a", "Low a 2", "high b", "Other"]);
    }
}
