//! A rule and a group of rules as they are in a file, with fields of other products kept.

use std::collections::BTreeMap;

use super::{
    duration::parse_duration,
    yaml::{Node, Value},
};

/// Fields of a group that Thanos, Mimir, Cortex, Loki and `VictoriaMetrics` know beside those of Prometheus.
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
/// Fields of a rule that `VictoriaMetrics` knows beside those of Prometheus.
const RULE_FIELDS: [&str; 2] = ["debug", "update_entries_limit"];

/// Fields that are kept as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::advise::threshold) struct Fields(Vec<(String, Node)>);

/// A group of rules that are evaluated one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleGroup {
    /// Its name, unique in the file.
    pub name: String,
    /// How often it is evaluated.
    pub interval: Option<String>,
    /// Most alerts or series a rule may give.
    pub limit: Option<String>,
    /// By how much the evaluation lags.
    pub query_offset: Option<String>,
    /// Labels of all its rules.
    pub labels: BTreeMap<String, String>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Fields of other products.
    pub(in crate::advise::threshold) others: Fields,
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
    /// For how long the expression must hold.
    pub hold: Option<String>,
    /// For how long the alert keeps firing after it no longer holds.
    pub keep_firing_for: Option<String>,
    /// Labels of the alert.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the alert.
    pub annotations: BTreeMap<String, String>,
    /// Fields of other products.
    pub(in crate::advise::threshold) others: Fields,
    /// Why it cannot be read, and what is there; it is written as it was.
    pub(in crate::advise::threshold) unread: Option<(String, Node)>,
}

impl Rule {
    /// Why the rule cannot be read; `None` where it can.
    #[must_use]
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_ref().map(|(reason, _)| reason.as_str())
    }

    pub(super) fn read(node: &Node) -> Self {
        let mut rule = Self::default();
        let fields = match &node.value {
            Value::Map(fields) => fields,
            _ => {
                let reason = format!("line {}: a rule is a mapping, this is {}", node.line, node.kind());
                return Self { unread: Some((reason, node.clone())), ..rule };
            }
        };
        let mut wrong: Option<String> = None;
        for (idx, (name, value)) in fields.iter().enumerate() {
            let line = value.line;
            let read = if fields[..idx].iter().any(|(before, _)| before == name) {
                Err(format!("line {line}: field {name} is written twice"))
            } else {
                rule.take(name, value)
            };
            wrong = wrong.or(read.err());
        }
        let both = rule.alert.is_some() == rule.record.is_some();
        if both && wrong.is_none() {
            wrong = Some(format!("line {}: a rule needs one of alert and record, and not both", node.line));
        }
        if rule.expr.trim().is_empty() && wrong.is_none() {
            wrong = Some(format!("line {}: expr is missing", node.line));
        }
        rule.unread = wrong.map(|reason| (reason, node.clone()));
        rule
    }

    fn take(&mut self, name: &str, value: &Node) -> Result<(), String> {
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
                return Err(format!("line {}: field {name} of a rule is unknown; known are {known}", value.line));
            }
        }
        Ok(())
    }

    pub(super) fn to_node(&self) -> Node {
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
        Node::new(Value::Map(fields))
    }
}

impl RuleGroup {
    /// The group of a node, and what is wrong with it.
    pub(super) fn read(node: &Node) -> (Self, Vec<String>) {
        let mut group = Self::default();
        let Value::Map(fields) = &node.value else {
            return (group, vec![format!("line {}: a group is a mapping, this is {}", node.line, node.kind())]);
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

    fn take(&mut self, name: &str, value: &Node) -> Result<(), String> {
        match name {
            "name" => self.name = optional(name, value)?.unwrap_or_default(),
            "interval" => self.interval = duration(name, value)?,
            "limit" => self.limit = optional(name, value)?,
            "query_offset" => self.query_offset = duration(name, value)?,
            "labels" => self.labels = texts(name, value)?,
            "rules" => match &value.value {
                Value::Null => {}
                Value::List(rules) => self.rules = rules.iter().map(Rule::read).collect(),
                _ => return Err(format!("line {}: rules is {}, and not a list", value.line, value.kind())),
            },
            _ => {
                self.others.0.push((name.to_owned(), value.clone()));
                if !GROUP_FIELDS.contains(&name) {
                    return Err(format!(
                        "line {}: field {name} of a group is unknown; known are name, interval, limit, query_offset, labels, rules",
                        value.line
                    ));
                }
            }
        }
        Ok(())
    }

    /// What the group's expressions are, where they are not PromQL: `graphite`, `vlogs`.
    pub(super) fn other_language(&self) -> Option<&str> {
        let (_, node) = self.others.0.iter().find(|(name, _)| name == "type")?;
        node.as_text().filter(|language| !matches!(*language, "prometheus" | ""))
    }

    pub(super) fn to_node(&self) -> Node {
        let mut fields = Vec::new();
        put(&mut fields, "name", Some(&self.name));
        put(&mut fields, "interval", self.interval.as_ref());
        if let Some(limit) = &self.limit {
            fields.push(("limit".to_owned(), Node::new(Value::Text { text: limit.clone(), plain: true })));
        }
        put(&mut fields, "query_offset", self.query_offset.as_ref());
        put_map(&mut fields, "labels", &self.labels);
        fields.extend(self.others.0.iter().cloned());
        let rules = self.rules.iter().map(Rule::to_node).collect();
        fields.push(("rules".to_owned(), Node::new(Value::List(rules))));
        Node::new(Value::Map(fields))
    }
}

fn put(fields: &mut Vec<(String, Node)>, name: &str, text: Option<&String>) {
    fields.extend(text.map(|text| (name.to_owned(), Node::text(text))));
}

fn put_map(fields: &mut Vec<(String, Node)>, name: &str, texts: &BTreeMap<String, String>) {
    if !texts.is_empty() {
        let map = texts.iter().map(|(key, text)| (key.clone(), Node::text(text))).collect();
        fields.push((name.to_owned(), Node::new(Value::Map(map))));
    }
}

/// A scalar; `None` where it is empty.
fn optional(name: &str, node: &Node) -> Result<Option<String>, String> {
    match &node.value {
        Value::Null => Ok(None),
        Value::Text { text, .. } if text.is_empty() => Ok(None),
        Value::Text { text, .. } => Ok(Some(text.clone())),
        _ => Err(format!("line {}: {name} is {}, and not text", node.line, node.kind())),
    }
}

fn duration(name: &str, node: &Node) -> Result<Option<String>, String> {
    let text = optional(name, node)?;
    match text.as_deref().map(parse_duration) {
        Some(None) => {
            let text = text.unwrap_or_default();
            Err(format!("line {}: {name} {text:?} is not a duration such as 5m", node.line))
        }
        _ => Ok(text),
    }
}

fn texts(name: &str, node: &Node) -> Result<BTreeMap<String, String>, String> {
    match &node.value {
        Value::Null => Ok(BTreeMap::new()),
        Value::Map(fields) => fields
            .iter()
            .map(|(key, value)| {
                let text = optional(&format!("{name}.{key}"), value)?;
                Ok((key.clone(), text.unwrap_or_default()))
            })
            .collect(),
        _ => Err(format!("line {}: {name} is {}, and not a mapping", node.line, node.kind())),
    }
}
