use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Condition, parse_duration, split_condition};
use crate::advise::threshold::{Setting, ThresholdError};

/// A Prometheus rule file, its fields in the file's order; rules that are not understood are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The groups.
    #[serde(default)]
    pub groups: Vec<RuleGroup>,
}

/// A group of rules that are evaluated one after the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleGroup {
    /// Its name, unique in the file.
    pub name: String,
    /// How often it is evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Most alerts or series a rule may give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// By how much the evaluation lags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_offset: Option<String>,
    /// Labels of all its rules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// An alerting rule (`alert`) or a recording rule (`record`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name of the series that a recording rule writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Name of the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// The expression.
    pub expr: String,
    /// For how long the expression must hold.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// For how long the alert goes on firing after it no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_firing_for: Option<String>,
    /// Labels of the alert.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the alert.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Where a rule stands in its file.
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
    /// Where it stands.
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
}

/// An alerting rule that is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRule {
    /// The alert's name.
    pub alert: String,
    /// Its expression.
    pub expr: String,
    /// Why it is not replayed.
    pub reason: String,
}

impl RuleSpec {
    /// What can be chosen of it, as it stands.
    #[must_use]
    pub fn setting(&self) -> Setting {
        Setting {
            comparison: self.condition.comparison,
            bound: self.condition.bound,
            for_ms: self.for_ms,
            keep_firing_for_ms: self.keep_firing_for_ms,
        }
    }
}

/// What each rule is called where rules are told apart: its alert's name, with its group where another has the same but for case and
/// punctuation, and a number where that is not enough.
#[must_use]
pub fn rule_names(specs: &[RuleSpec]) -> Vec<String> {
    // Recording rules are named after it, and those names have fewer signs.
    let plain =
        |name: &str| -> String { name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase() };
    let mut taken: Vec<String> = Vec::new();
    specs
        .iter()
        .map(|spec| {
            let alone = specs.iter().filter(|other| plain(&other.alert) == plain(&spec.alert)).count() == 1;
            let name = if alone { spec.alert.clone() } else { format!("{} {}", spec.alert, spec.group) };
            let numbered = (2..).map(|nth| format!("{name} {nth}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(&plain(name)));
            let name = free.unwrap_or(name);
            taken.push(plain(&name));
            name
        })
        .collect()
}

impl RuleFile {
    /// Reads a rule file; `file` names it in messages.
    ///
    /// # Errors
    /// [`ThresholdError::RuleFile`] with line and column.
    pub fn parse(file: &str, text: &str) -> Result<Self, ThresholdError> {
        let wrong = |message: String| ThresholdError::RuleFile { file: file.to_owned(), message };
        let parsed: Option<Self> =
            serde_saphyr::from_str(text).map_err(|error| wrong(first_line(&error.to_string())))?;
        let parsed = parsed.ok_or_else(|| wrong("it is empty; write groups: […]".to_owned()))?;
        for group in &parsed.groups {
            for (idx, rule) in group.rules.iter().enumerate() {
                if rule.alert.is_some() == rule.record.is_some() {
                    let name = &group.name;
                    return Err(wrong(format!(
                        "rule {} of group {name:?} needs one of alert and record, and not both",
                        idx + 1
                    )));
                }
            }
        }
        Ok(parsed)
    }

    /// The file as YAML.
    ///
    /// # Errors
    /// [`ThresholdError::Write`].
    pub fn to_yaml(&self) -> Result<String, ThresholdError> {
        serde_saphyr::to_string(self).map_err(|error| ThresholdError::Write { message: error.to_string() })
    }

    /// The alerting rules: those that compare a signal with a constant, and those that are kept.
    /// Recording rules are neither.
    ///
    /// # Errors
    /// [`ThresholdError::Rule`] for a duration that Prometheus would refuse.
    pub fn alerts(&self, file: &str) -> Result<(Vec<RuleSpec>, Vec<KeptRule>), ThresholdError> {
        let (mut specs, mut kept) = (Vec::new(), Vec::new());
        for (group_idx, group) in self.groups.iter().enumerate() {
            for (rule_idx, rule) in group.rules.iter().enumerate() {
                let Some(alert) = rule.alert.clone() else { continue };
                let duration = |field: &'static str, text: Option<&String>| match text {
                    None => Ok(None),
                    Some(text) => parse_duration(text).map(Some).ok_or_else(|| ThresholdError::Rule {
                        file: file.to_owned(),
                        alert: alert.clone(),
                        field,
                        value: text.clone(),
                        wanted: "a duration such as 5m",
                    }),
                };
                let for_ms = duration("for", rule.hold.as_ref())?.unwrap_or(0);
                let keep_firing_for_ms = duration("keep_firing_for", rule.keep_firing_for.as_ref())?.unwrap_or(0);
                let interval_ms = duration("interval", group.interval.as_ref())?;
                match split_condition(&rule.expr) {
                    Ok(condition) => specs.push(RuleSpec {
                        place: RulePlace { group: group_idx, rule: rule_idx },
                        group: group.name.clone(),
                        alert,
                        condition,
                        expr: rule.expr.trim().to_owned(),
                        for_ms,
                        keep_firing_for_ms,
                        interval_ms,
                        rule: rule.clone(),
                    }),
                    Err(reason) => kept.push(KeptRule { alert, expr: rule.expr.trim().to_owned(), reason }),
                }
            }
        }
        Ok((specs, kept))
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("it cannot be read").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
groups:
- name: api
  interval: 30s
  rules:
  - record: api:p95
    expr: histogram_quantile(0.95, sum by (le) (rate(b[5m])))
  - alert: HighLatency
    expr: api:p95 > 0.5
    for: 5m
    keep_firing_for: 10m
    labels:
      severity: page
      tier: 1
    annotations:
      summary: 'p95 is {{ $value }}'
  - alert: Down
    expr: up == 0
";

    #[test]
    fn reads_splits_and_keeps() {
        let file = RuleFile::parse("rules.yml", RULES).unwrap();
        let (specs, kept) = file.alerts("rules.yml").unwrap();
        assert_eq!(specs.len(), 1);
        let spec = &specs[0];
        assert_eq!((spec.for_ms, spec.keep_firing_for_ms, spec.interval_ms), (300_000, 600_000, Some(30_000)));
        assert_eq!((spec.condition.signal.as_str(), spec.condition.bound), ("api:p95", 0.5));
        assert_eq!(spec.rule.labels["tier"], "1");
        assert_eq!(kept[0].alert, "Down");
    }

    #[test]
    fn what_is_written_reads_back() {
        let file = RuleFile::parse("rules.yml", RULES).unwrap();
        let yaml = file.to_yaml().unwrap();
        assert_eq!(RuleFile::parse("again", &yaml).unwrap(), file, "{yaml}");
    }

    #[test]
    fn twins_are_told_apart() {
        let rule = |alert: &str| format!("  - alert: {alert}\n    expr: up > 1\n");
        let group = |name: &str, alerts: &[&str]| {
            format!("- name: {name}\n  rules:\n{}", alerts.iter().map(|alert| rule(alert)).collect::<String>())
        };
        let text = format!("groups:\n{}{}", group("a", &["High", "Low", "Low"]), group("b", &["high", "Other"]));
        let (specs, _) = RuleFile::parse("r.yml", &text).unwrap().alerts("r.yml").unwrap();
        assert_eq!(rule_names(&specs), ["High a", "Low a", "Low a 2", "high b", "Other"]);
    }

    fn refused(text: &str, expected: &str) {
        let message = RuleFile::parse("r.yml", text).and_then(|file| file.alerts("r.yml")).unwrap_err().to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    }

    #[test]
    fn what_is_no_rule_file_says_where() {
        refused("groups: [", "r.yml is not a Prometheus rule file: ");
        refused("groups:\n- name: a\n  ruls: []\n", "ruls");
        refused("", "r.yml is not a Prometheus rule file: ");
        refused("groups:\n- name: a\n  rules:\n  - expr: up\n", "rule 1 of group \"a\" needs one of alert and record");
        refused(
            "groups:\n- name: a\n  rules:\n  - alert: B\n    expr: up > 1\n    for: soon\n",
            "r.yml: rule \"B\": for \"soon\" is not a duration such as 5m",
        );
    }
}
