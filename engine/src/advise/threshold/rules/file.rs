//! Parses rule files of Prometheus, its operator and compatible products, and writes them back with all their fields.

use super::{
    condition::{NoBound, split_condition},
    duration::parse_duration,
    rule::{Rule, RuleGroup},
    spec::{KeptRule, NotUsed, RulePlace, RuleSpec},
    yaml::{YamlNode, YamlValue, documents},
};
use crate::advise::threshold::ThresholdError;

/// A rule file: plain groups, manifests with `spec.groups`, or several documents of either.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleFile {
    /// The groups of all documents.
    pub groups: Vec<RuleGroup>,
    /// The documents, with [`YamlValue::Groups`] in place of their groups.
    documents: Vec<YamlNode>,
    /// Groups and documents with invalid parts: name of the group (empty for a document) and reason.
    unread: Vec<(String, String)>,
}

impl RuleFile {
    /// Creates a file of these groups.
    #[must_use]
    pub fn of(groups: Vec<RuleGroup>) -> Self {
        Self { groups, ..Self::default() }
    }

    /// Parses a rule file; `file`: its name in messages. An invalid rule or group does not affect the others, see
    /// [`RuleFile::alerts`].
    ///
    /// # Errors
    /// [`ThresholdError::RuleFile`] with line and column when the text is not YAML.
    pub fn parse(file: &str, text: &str) -> Result<Self, ThresholdError> {
        let wrong = |message: String| ThresholdError::RuleFile { file: file.to_owned(), message };
        let mut parsed = Self::default();
        for mut document in documents(text).map_err(wrong)? {
            if !matches!(document.value, YamlValue::Map(_)) {
                let message = format!("line {}: expected groups: […], got {}", document.line, document.kind());
                return Err(wrong(message));
            }
            if !parsed.take(&mut document)? {
                let kind =
                    document.get("kind").and_then(YamlNode::as_text).map(|kind| format!("{kind} ")).unwrap_or_default();
                let reason = format!("line {}: the {kind}document has neither groups nor spec.groups", document.line);
                parsed.unread.push((String::new(), reason));
            }
            parsed.documents.push(document);
        }
        for (field, reason) in &mut parsed.unread {
            *reason = if field.is_empty() { reason.clone() } else { format!("group {field:?}: {reason}") };
        }
        Ok(parsed)
    }

    /// Moves the groups out of a document, or out of each item of a list. Returns whether the document has groups.
    fn take(&mut self, document: &mut YamlNode) -> Result<bool, ThresholdError> {
        if let Some(YamlValue::List(_)) = document.get("items").map(|items| &items.value) {
            let mut any = false;
            if let Some(YamlNode { value: YamlValue::List(items), .. }) = document.get_mut("items") {
                for item in items {
                    any |= self.take(item)?;
                }
            }
            return Ok(any);
        }
        let place = match document.get("groups") {
            Some(_) => document.get_mut("groups"),
            None => document.get_mut("spec").and_then(|spec| spec.get_mut("groups")),
        };
        let Some(place) = place else { return Ok(false) };
        let from = self.groups.len();
        match &place.value {
            YamlValue::Null => {}
            YamlValue::List(groups) => {
                for node in groups {
                    let (group, wrong) = RuleGroup::read(node);
                    self.unread.extend(wrong.into_iter().map(|reason| (group.name.clone(), reason)));
                    self.groups.push(group);
                }
            }
            _ => {
                let reason = format!("line {}: groups must be a list, got {}", place.line, place.kind());
                self.unread.push((String::new(), reason));
                return Ok(true);
            }
        }
        place.value = YamlValue::Groups(from, self.groups.len());
        Ok(true)
    }

    /// Writes the file as YAML.
    ///
    /// # Errors
    /// [`ThresholdError::Write`] when the YAML writer fails.
    pub fn to_yaml(&self) -> Result<String, ThresholdError> {
        let whole = [YamlNode::new(YamlValue::Map(vec![(
            "groups".to_owned(),
            YamlNode::new(YamlValue::Groups(0, self.groups.len())),
        )]))];
        let documents = if self.documents.is_empty() { &whole[..] } else { &self.documents };
        let written: Result<Vec<String>, ThresholdError> = documents
            .iter()
            .map(|document| {
                serde_saphyr::to_string(&self.filled(document))
                    .map_err(|error| ThresholdError::Write { message: error.to_string() })
            })
            .collect();
        Ok(written?.join("---\n"))
    }

    /// Returns a document with its groups inserted.
    fn filled(&self, node: &YamlNode) -> YamlNode {
        let value = match &node.value {
            YamlValue::Groups(from, until) => {
                let groups = self.groups.get(*from..*until).unwrap_or_default();
                YamlValue::List(groups.iter().map(RuleGroup::to_node).collect())
            }
            YamlValue::List(items) => YamlValue::List(items.iter().map(|item| self.filled(item)).collect()),
            YamlValue::Map(fields) => {
                YamlValue::Map(fields.iter().map(|(key, node)| (key.clone(), self.filled(node))).collect())
            }
            other => other.clone(),
        };
        YamlNode { line: node.line, value }
    }

    /// Returns the alerting rules that compare a signal with a constant, and the rules without advice with their
    /// reason. Recording rules are in neither list.
    #[must_use]
    pub fn alerts(&self, file: &str) -> (Vec<RuleSpec>, Vec<KeptRule>) {
        let unread = |reason: &str| KeptRule {
            file: file.to_owned(),
            group: String::new(),
            alert: String::new(),
            expr: String::new(),
            reason: reason.to_owned(),
            why: NotUsed::Skipped,
        };
        let mut kept: Vec<KeptRule> = self.unread.iter().map(|(_, reason)| unread(reason)).collect();
        let mut specs = Vec::new();
        for (group_idx, group) in self.groups.iter().enumerate() {
            for (rule_idx, rule) in group.rules.iter().enumerate() {
                let not_used = |why: NotUsed, reason: String| KeptRule {
                    file: file.to_owned(),
                    group: group.name.clone(),
                    alert: rule.alert.clone().unwrap_or_default(),
                    expr: rule.expr.trim().to_owned(),
                    reason,
                    why,
                };
                if let Some(reason) = rule.unread() {
                    kept.push(not_used(NotUsed::Skipped, reason.to_owned()));
                    continue;
                }
                let Some(alert) = rule.alert.clone() else { continue };
                if let Some(language) = group.other_language() {
                    kept.push(not_used(
                        NotUsed::Skipped,
                        format!("its group is of type {language}, which is not PromQL"),
                    ));
                    continue;
                }
                match split_condition(&rule.expr) {
                    Ok(condition) => {
                        specs.push(spec(RulePlace { group: group_idx, rule: rule_idx }, group, alert, rule, condition))
                    }
                    Err(NoBound::Kept(reason)) => kept.push(not_used(NotUsed::Kept, reason)),
                    Err(NoBound::Skipped(reason)) => kept.push(not_used(NotUsed::Skipped, reason)),
                }
            }
        }
        (specs, kept)
    }
}

fn spec(place: RulePlace, group: &RuleGroup, alert: String, rule: &Rule, condition: super::Condition) -> RuleSpec {
    // Parsing the rule has validated the durations.
    let millis = |text: Option<&String>| text.and_then(|text| parse_duration(text));
    RuleSpec {
        place,
        group: group.name.clone(),
        alert,
        condition,
        expr: rule.expr.trim().to_owned(),
        for_ms: millis(rule.hold.as_ref()).unwrap_or(0),
        keep_firing_for_ms: millis(rule.keep_firing_for.as_ref()).unwrap_or(0),
        interval_ms: millis(group.interval.as_ref()),
        rule: rule.clone(),
        header: RuleGroup { rules: Vec::new(), ..group.clone() },
        incident_targets: None,
    }
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

    fn parsed(text: &str) -> RuleFile {
        RuleFile::parse("r.yml", text).unwrap()
    }

    #[test]
    fn rules_are_split_or_kept() {
        let (specs, kept) = parsed(RULES).alerts("rules.yml");
        assert_eq!(specs.len(), 1);
        let spec = &specs[0];
        assert_eq!((spec.for_ms, spec.keep_firing_for_ms, spec.interval_ms), (300_000, 600_000, Some(30_000)));
        assert_eq!((spec.condition.signal.as_str(), spec.condition.bound), ("api:p95", 0.5));
        assert_eq!(spec.rule.labels["tier"], "1");
        assert_eq!((kept[0].alert.as_str(), kept[0].group.as_str(), kept[0].why), ("Down", "api", NotUsed::Kept));
    }

    /// Returns group name and expression of each rule, without its lines.
    fn shown(file: &RuleFile) -> Vec<(String, String)> {
        let rules = file.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
        rules.map(|(group, rule)| (group.name.clone(), rule.expr.clone())).collect()
    }

    #[test]
    fn what_is_written_reads_back() {
        let file = parsed(RULES);
        let yaml = file.to_yaml().unwrap();
        let again = RuleFile::parse("again", &yaml).unwrap();
        assert_eq!(again.groups, file.groups, "{yaml}");
        assert_eq!(again.to_yaml().unwrap(), yaml);
    }

    #[test]
    fn manifests_and_fields_of_other_products_are_kept() {
        let text = "
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: demo, labels: {role: alert-rules}}
spec:
  groups:
  - name: g
    interval: 1m
    limit: 5
    query_offset: 30s
    labels: {team: shop}
    partial_response_strategy: abort
    source_tenants: [a, b]
    concurrency: 2
    params: {nocache: [1]}
    rules:
    - alert: High
      expr: value > 90
      debug: true
      update_entries_limit: 40
---
namespace: other
groups:
- name: h
  rules:
  - {alert: Low, expr: value < 5}
";
        let file = parsed(text);
        let (specs, kept) = file.alerts("r.yml");
        assert_eq!((specs.len(), kept.len()), (2, 0), "{kept:?}");
        assert_eq!(specs[0].header.labels["team"], "shop");
        let yaml = file.to_yaml().unwrap();
        for field in [
            "kind: PrometheusRule",
            "role: alert-rules",
            "limit: 5",
            "query_offset: 30s",
            "partial_response_strategy: abort",
            "concurrency: 2",
            "nocache",
            "debug: true",
            "update_entries_limit: 40",
            "team: shop",
            "namespace: other",
        ] {
            assert!(yaml.contains(field), "{field}: {yaml}");
        }
        let again = parsed(&yaml);
        assert_eq!((again.groups.len(), again.documents.len()), (2, 2), "{yaml}");
        assert_eq!(shown(&again), shown(&file));
        let list = format!("kind: List\nitems:\n- {}", text.split("---").next().unwrap().trim().replace('\n', "\n  "));
        assert_eq!(parsed(&list).alerts("r.yml").0.len(), 1);
    }

    #[test]
    fn empty_files_are_valid() {
        for text in [
            "",
            "groups:",
            "groups: []",
            "groups:\n- name: a\n  rules:\n",
            "---\n---\n",
            "# nothing\n",
            "spec:\n  groups:\n",
        ] {
            let (specs, kept) = parsed(text).alerts("r.yml");
            assert_eq!((specs.len(), kept.len()), (0, 0), "{text:?} {kept:?}");
        }
    }

    #[test]
    fn an_invalid_rule_does_not_affect_the_others() {
        let right = "  - {alert: Right, expr: value > 5}\n";
        for (wrong, why) in [
            ("  - {alert: Wrong, expr: value > 5, for: soon}\n", "line 4: for \"soon\" is not a duration such as 5m"),
            ("  - {alert: Wrong, expr: value > 5, for: [5m]}\n", "line 4: for must be text, got a list"),
            ("  - {alert: Wrong, expr: value > 5, fro: 5m}\n", "line 4: unknown field fro of a rule"),
            ("  - {alert: Wrong, expr: value > 5, labels: page}\n", "line 4: labels must be a mapping, got text"),
            (
                "  - {alert: Wrong, expr: value > 5, labels: {a: {b: c}}}\n",
                "line 4: labels.a must be text, got a mapping",
            ),
            ("  - {alert: Wrong, expr: value > 5, expr: value > 6}\n", "line 4: duplicate field expr"),
            ("  - {alert: Wrong}\n", "line 4: expr is missing"),
            ("  - {expr: value > 5}\n", "line 4: a rule needs either alert or record"),
            ("  - {alert: A, record: b, expr: value > 5}\n", "line 4: a rule needs either alert or record"),
            ("  - nothing\n", "line 4: a rule must be a mapping, got text"),
            ("  - {alert: Wrong, expr: 'value >'}\n", "its expression is not valid PromQL"),
        ] {
            let text = format!("groups:\n- name: g\n  rules:\n{wrong}{right}");
            let file = parsed(&text);
            let (specs, kept) = file.alerts("r.yml");
            assert_eq!((specs.len(), kept.len()), (1, 1), "{text} {kept:?}");
            assert!(kept[0].reason.contains(why) && kept[0].why == NotUsed::Skipped, "{}: {}", why, kept[0].reason);
            assert!(!kept[0].reason.contains('\n'), "{}", kept[0].reason);
            // An invalid rule is written back unchanged.
            assert_eq!(parsed(&file.to_yaml().unwrap()).groups[0].rules.len(), 2);
        }
        let (specs, kept) =
            parsed(&format!("groups:\n- name: g\n  ruls: []\n  rules:\n{right}- nothing\n")).alerts("r.yml");
        assert_eq!((specs.len(), kept.len()), (1, 2), "{kept:?}");
        let (specs, kept) = parsed(&format!("groups:\n- name: g\n  type: graphite\n  rules:\n{right}")).alerts("r.yml");
        assert_eq!((specs.len(), kept[0].reason.as_str()), (0, "its group is of type graphite, which is not PromQL"));
        let (_, kept) = parsed("kind: ConfigMap\ndata: {}\n").alerts("r.yml");
        assert!(kept[0].reason.contains("the ConfigMap document has neither groups nor spec.groups"), "{kept:?}");
    }

    #[test]
    fn invalid_files_are_rejected_with_their_position() {
        for (text, expected) in [
            ("groups: [", "r.yml is not a Prometheus rule file: line "),
            ("{{ if .Values.rules }}\ngroups: []\n{{ end }}", "r.yml is not a Prometheus rule file: line "),
            ("just text", "expected groups: […], got text"),
            ("- a\n- b\n", "expected groups: […], got a list"),
        ] {
            let message = RuleFile::parse("r.yml", text).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains('\n'), "{message}");
        }
    }
}
