//! A rule and a group of rules as in a file, including the fields of other products.

use std::collections::BTreeMap;

use super::{
    duration::parse_duration,
    yaml::{YamlNode, YamlValue},
};
use crate::ingest::files::shorten;

/// Additional group fields of Thanos, Mimir, Cortex, Loki and `VictoriaMetrics`.
const GROUP_FIELDS: [&str; 18] = [
    "partial_response_strategy",
    "source_tenants",
    "evaluation_delay",
    "align_evaluation_time_on_interval",
    "remote_write",
    "concurrency",
    "type",
    "headers",
    "notifier_headers",
    "params",
    "eval_offset",
    "eval_delay",
    "eval_alignment",
    "tenant",
    "debug",
    "extra_filter_labels",
    "checksum",
    "annotations",
];
/// Additional rule fields of `VictoriaMetrics`.
const RULE_FIELDS: [&str; 2] = ["debug", "update_entries_limit"];

/// Fields of other products, written back unchanged.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::advise::threshold) struct OtherFields(Vec<(String, YamlNode)>);

/// A group of rules that are evaluated in sequence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleGroup {
    /// Name, unique in the file.
    pub name: String,
    /// Evaluation interval.
    pub interval: Option<String>,
    /// Maximum number of alerts or series of a rule.
    pub limit: Option<String>,
    /// Lag of the evaluation.
    pub query_offset: Option<String>,
    /// Labels added to all its rules.
    pub labels: BTreeMap<String, String>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Fields of other products.
    pub(in crate::advise::threshold) others: OtherFields,
}

/// An alerting rule (`alert`) or a recording rule (`record`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rule {
    /// Name of the series that a recording rule writes.
    pub record: Option<String>,
    /// Name of the alert.
    pub alert: Option<String>,
    /// The expression.
    pub expr: String,
    /// `for`: duration for which the expression must hold before the alert fires.
    pub hold: Option<String>,
    /// Duration for which the alert keeps firing after the expression no longer holds.
    pub keep_firing_for: Option<String>,
    /// Labels of the alert.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the alert.
    pub annotations: BTreeMap<String, String>,
    /// Fields of other products.
    pub(in crate::advise::threshold) others: OtherFields,
    /// Reason and source node of an invalid rule, which is written back unchanged.
    pub(in crate::advise::threshold) unread: Option<(String, YamlNode)>,
}

impl Rule {
    /// Returns the reason why the rule is invalid; `None` for a valid one.
    #[must_use]
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_ref().map(|(reason, _)| reason.as_str())
    }

    pub(super) fn read(node: &YamlNode) -> Self {
        let mut rule = Self::default();
        let fields = match &node.value {
            YamlValue::Map(fields) => fields,
            _ => {
                let reason = format!("line {}: a rule must be a mapping, got {}", node.line, node.kind());
                return Self { unread: Some((reason, node.clone())), ..rule };
            }
        };
        // Only the first error is reported.
        let mut wrong: Option<String> = None;
        for (idx, (name, value)) in fields.iter().enumerate() {
            let line = value.line;
            let read = if fields[..idx].iter().any(|(before, _)| before == name) {
                Err(format!("line {line}: duplicate field {name}"))
            } else {
                rule.take(name, value)
            };
            wrong = wrong.or(read.err());
        }
        let both = rule.alert.is_some() == rule.record.is_some();
        if both && wrong.is_none() {
            wrong = Some(format!("line {}: a rule needs either alert or record", node.line));
        }
        if rule.expr.trim().is_empty() && wrong.is_none() {
            wrong = Some(format!("line {}: expr is missing", node.line));
        }
        rule.unread = wrong.map(|reason| (reason, node.clone()));
        rule
    }

    fn take(&mut self, name: &str, value: &YamlNode) -> Result<(), String> {
        match name {
            "record" => self.record = optional(name, value)?,
            "alert" => self.alert = optional(name, value)?,
            "expr" => self.expr = optional(name, value)?.unwrap_or_default(),
            "for" => self.hold = duration(name, value)?,
            "keep_firing_for" => self.keep_firing_for = duration(name, value)?,
            "labels" => self.labels = texts(name, value)?,
            "annotations" => self.annotations = texts(name, value)?,
            _ if RULE_FIELDS.contains(&name) => self.others.0.push((name.to_owned(), value.clone())),
            _ => {
                let known = "record, alert, expr, for, keep_firing_for, labels, annotations";
                return Err(format!(
                    "line {}: unknown field {} of a rule; known fields are {known}",
                    value.line,
                    shorten(name)
                ));
            }
        }
        Ok(())
    }

    pub(super) fn to_node(&self) -> YamlNode {
        if let Some((_, node)) = &self.unread {
            return node.clone();
        }
        let mut fields = Vec::new();
        put(&mut fields, "record", self.record.as_ref());
        put(&mut fields, "alert", self.alert.as_ref());
        put(&mut fields, "expr", Some(&self.expr));
        put(&mut fields, "for", self.hold.as_ref());
        put(&mut fields, "keep_firing_for", self.keep_firing_for.as_ref());
        put_map(&mut fields, "labels", &self.labels);
        put_map(&mut fields, "annotations", &self.annotations);
        fields.extend(self.others.0.iter().cloned());
        YamlNode::new(YamlValue::Map(fields))
    }
}

impl RuleGroup {
    /// Parses a group. Also returns its errors; the valid parts are kept.
    pub(super) fn read(node: &YamlNode) -> (Self, Vec<String>) {
        let mut group = Self::default();
        let YamlValue::Map(fields) = &node.value else {
            return (group, vec![format!("line {}: a group must be a mapping, got {}", node.line, node.kind())]);
        };
        let mut wrong = Vec::new();
        for (name, value) in fields {
            wrong.extend(group.take(name, value).err());
        }
        if group.name.is_empty() {
            wrong.push(format!("line {}: a group has no name", node.line));
        }
        (group, wrong)
    }

    fn take(&mut self, name: &str, value: &YamlNode) -> Result<(), String> {
        match name {
            "name" => self.name = optional(name, value)?.unwrap_or_default(),
            "interval" => self.interval = duration(name, value)?,
            "limit" => self.limit = optional(name, value)?,
            "query_offset" => self.query_offset = duration(name, value)?,
            "labels" => self.labels = texts(name, value)?,
            "rules" => match &value.value {
                YamlValue::Null => {}
                YamlValue::List(rules) => self.rules = rules.iter().map(Rule::read).collect(),
                _ => return Err(format!("line {}: rules must be a list, got {}", value.line, value.kind())),
            },
            _ => {
                // Unknown fields are kept too, so that the file is written back completely.
                self.others.0.push((name.to_owned(), value.clone()));
                if !GROUP_FIELDS.contains(&name) {
                    return Err(format!(
                        "line {}: unknown field {} of a group; known fields are name, interval, limit, query_offset, \
                         labels, rules",
                        value.line,
                        shorten(name)
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns the language of the group's expressions if it is not PromQL: `graphite`, `vlogs`.
    pub(super) fn other_language(&self) -> Option<&str> {
        let (_, node) = self.others.0.iter().find(|(name, _)| name == "type")?;
        node.as_text().filter(|language| !matches!(*language, "prometheus" | ""))
    }

    pub(super) fn to_node(&self) -> YamlNode {
        let mut fields = Vec::new();
        put(&mut fields, "name", Some(&self.name));
        put(&mut fields, "interval", self.interval.as_ref());
        if let Some(limit) = &self.limit {
            fields.push(("limit".to_owned(), YamlNode::new(YamlValue::Text { text: limit.clone(), plain: true })));
        }
        put(&mut fields, "query_offset", self.query_offset.as_ref());
        put_map(&mut fields, "labels", &self.labels);
        fields.extend(self.others.0.iter().cloned());
        let rules = self.rules.iter().map(Rule::to_node).collect();
        fields.push(("rules".to_owned(), YamlNode::new(YamlValue::List(rules))));
        YamlNode::new(YamlValue::Map(fields))
    }
}

fn put(fields: &mut Vec<(String, YamlNode)>, name: &str, text: Option<&String>) {
    fields.extend(text.map(|text| (name.to_owned(), YamlNode::text(text))));
}

fn put_map(fields: &mut Vec<(String, YamlNode)>, name: &str, texts: &BTreeMap<String, String>) {
    if !texts.is_empty() {
        let map = texts.iter().map(|(key, text)| (key.clone(), YamlNode::text(text))).collect();
        fields.push((name.to_owned(), YamlNode::new(YamlValue::Map(map))));
    }
}

/// Reads a scalar; `None` when it is empty.
fn optional(name: &str, node: &YamlNode) -> Result<Option<String>, String> {
    match &node.value {
        YamlValue::Null => Ok(None),
        YamlValue::Text { text, .. } if text.is_empty() => Ok(None),
        YamlValue::Text { text, .. } => Ok(Some(text.clone())),
        _ => Err(format!("line {}: {name} must be text, got {}", node.line, node.kind())),
    }
}

fn duration(name: &str, node: &YamlNode) -> Result<Option<String>, String> {
    let text = optional(name, node)?;
    match text.as_deref().map(parse_duration) {
        Some(None) => {
            let text = text.unwrap_or_default();
            Err(format!("line {}: {name} {text:?} is not a duration such as 5m", node.line))
        }
        _ => Ok(text),
    }
}

fn texts(name: &str, node: &YamlNode) -> Result<BTreeMap<String, String>, String> {
    match &node.value {
        YamlValue::Null => Ok(BTreeMap::new()),
        YamlValue::Map(fields) => fields
            .iter()
            .map(|(key, value)| {
                let text = optional(&format!("{name}.{key}"), value)?;
                Ok((key.clone(), text.unwrap_or_default()))
            })
            .collect(),
        _ => Err(format!("line {}: {name} must be a mapping, got {}", node.line, node.kind())),
    }
}
