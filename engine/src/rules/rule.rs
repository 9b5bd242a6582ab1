//! One rule of a group: a recording rule or an alerting rule, with the result of its last evaluation.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{
    alert::{ActiveAlert, GRACE_MS, Notice},
    template::{Scope, expand},
};
use crate::{
    advise::threshold::{AlertState, Rule, parse_duration},
    series::{Labels, METRIC_NAME, Matcher, SampleSource},
    signal::{self, EvalLimits, Query, SignalError, Value, VectorSample},
};

/// Labels of the series that an alert writes.
const ALERT_NAME: &str = "alertname";
const ALERT_STATE: &str = "alertstate";
const ALERTS: &str = "ALERTS";
const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// Longest time without evaluations after which states are restored, as in Prometheus.
const OUTAGE_MS: i64 = 3_600_000;

/// Result of the last evaluation of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    /// Not evaluated yet.
    #[default]
    Unknown,
    /// Evaluated.
    Good,
    /// Failed, with the reason.
    Bad(String),
}

/// What a rule does with its result.
#[derive(Debug, Clone)]
pub enum RuleKind {
    /// Stores it under this name.
    Recording {
        /// Name of the metric.
        record: String,
    },
    /// Has an alert for each element.
    Alerting {
        /// Name of the alert.
        alert: String,
        /// Time for which an element must exist before the alert fires, in milliseconds.
        for_ms: i64,
        /// Time for which the alert fires without an element, in milliseconds.
        keep_firing_for_ms: i64,
        /// Templates.
        annotations: BTreeMap<String, String>,
        /// Alerts by their labels.
        active: HashMap<Labels, ActiveAlert>,
        /// Alerts of before a restart: the last evaluation and the start of each, until the next evaluation.
        former: HashMap<Labels, (i64, i64)>,
    },
}

/// A rule with its state.
#[derive(Debug, Clone)]
pub struct EvaluatedRule {
    /// Expression.
    pub query: Query,
    /// Labels; those of an alerting rule are templates.
    pub labels: BTreeMap<String, String>,
    /// What the rule does with its result.
    pub kind: RuleKind,
    /// Result of the last evaluation.
    pub health: Health,
    /// Duration of the last evaluation.
    pub took: Duration,
    /// Time of the last evaluation in epoch milliseconds.
    pub evaluated_at_ms: Option<i64>,
}

/// The value and the annotations of an alert.
type Expanded = (f64, BTreeMap<String, String>);

impl EvaluatedRule {
    /// Reads a rule. `labels`: those of its group.
    ///
    /// # Errors
    /// The reason why it cannot be evaluated.
    pub(super) fn new(rule: &Rule, labels: &BTreeMap<String, String>) -> Result<Self, String> {
        if let Some(reason) = rule.unread() {
            return Err(reason.to_owned());
        }
        let query = signal::parse(rule.expr.trim()).map_err(|error| error.to_string())?;
        let ms = |text: &Option<String>| text.as_deref().and_then(parse_duration).unwrap_or(0);
        let kind = match (&rule.record, &rule.alert) {
            (Some(record), _) => RuleKind::Recording { record: record.clone() },
            (None, Some(alert)) => RuleKind::Alerting {
                alert: alert.clone(),
                for_ms: ms(&rule.hold),
                keep_firing_for_ms: ms(&rule.keep_firing_for),
                annotations: rule.annotations.clone(),
                active: HashMap::new(),
                former: HashMap::new(),
            },
            (None, None) => return Err("a rule needs either alert or record".to_owned()),
        };
        let mut labels = labels.clone();
        labels.extend(rule.labels.clone());
        Ok(Self { query, labels, kind, health: Health::Unknown, took: Duration::ZERO, evaluated_at_ms: None })
    }

    /// Returns the name of the metric or of the alert.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Recording { record } => record,
            RuleKind::Alerting { alert, .. } => alert,
        }
    }

    /// Returns the alerts that are pending or firing, by labels; none of a recording rule.
    #[must_use]
    pub fn active(&self) -> Vec<&ActiveAlert> {
        let RuleKind::Alerting { active, .. } = &self.kind else { return Vec::new() };
        let mut all: Vec<&ActiveAlert> = active.values().filter(|alert| alert.state != AlertState::Inactive).collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        all
    }

    /// Evaluates the rule and returns the samples that it writes. `now_ms`: time of the evaluation; the expression is
    /// evaluated `offset_ms` before it. `limit`: largest number of elements, 0 for none.
    pub(super) fn evaluate(
        &mut self,
        source: &dyn SampleSource,
        now_ms: i64,
        offset_ms: i64,
        limit: usize,
        limits: &EvalLimits,
    ) -> Result<Vec<VectorSample>, String> {
        let found = vector(source, &self.query, now_ms.saturating_sub(offset_ms), limits)
            .map_err(|error| error_chain(&error))?;
        match &mut self.kind {
            RuleKind::Recording { record } => recorded(record, &self.labels, found, limit),
            RuleKind::Alerting { alert, for_ms, keep_firing_for_ms, annotations, active, former } => {
                let durations = (*for_ms, *keep_firing_for_ms);
                let former = std::mem::take(former);
                let rule = AlertingRule { alert, labels: &self.labels, annotations, durations, former };
                rule.evaluate(active, found, now_ms, limit)
            }
        }
    }

    /// Reads the starts of the alerts of before a restart, for an alert with a long `for`.
    pub(super) fn restore(&mut self, source: &dyn SampleSource, now_ms: i64, limits: &EvalLimits) {
        let RuleKind::Alerting { alert, for_ms, former, .. } = &mut self.kind else { return };
        if *for_ms < GRACE_MS {
            return;
        }
        let matchers = [Matcher::equal(METRIC_NAME, ALERTS_FOR_STATE), Matcher::equal(ALERT_NAME, alert.as_str())];
        let found = source.select(&matchers, now_ms.saturating_sub(OUTAGE_MS), now_ms, limits.max_samples);
        // Without them alerts begin anew.
        for series in found.unwrap_or_default() {
            if let (Some(at_ms), Some(start)) = (series.timestamps.last(), series.values.last())
                && start.is_finite()
            {
                #[expect(clippy::cast_possible_truncation, reason = "epoch seconds")]
                former.insert(series.labels.without(&[METRIC_NAME]), (*at_ms, *start as i64 * 1000));
            }
        }
    }

    /// Returns the notices to send now.
    pub(super) fn notices(&mut self, now_ms: i64, interval_ms: i64) -> Vec<Notice> {
        let RuleKind::Alerting { active, .. } = &mut self.kind else { return Vec::new() };
        let mut notices: Vec<Notice> =
            active.values_mut().filter_map(|alert| alert.notice(now_ms, interval_ms)).collect();
        notices.sort_by(|a, b| a.labels.cmp(&b.labels));
        notices
    }
}

/// Evaluates an expression to a vector; a scalar is an element without labels.
fn vector(
    source: &dyn SampleSource,
    query: &Query,
    at_ms: i64,
    limits: &EvalLimits,
) -> Result<Vec<VectorSample>, SignalError> {
    match signal::instant(source, query, at_ms, limits)? {
        Value::Vector(all) => Ok(all),
        Value::Scalar(value) => Ok(vec![VectorSample::number(Labels::default(), at_ms, value)]),
        Value::Matrix(_) => Err(SignalError::Kind { found: "a range vector", wanted: "a scalar or an instant vector" }),
        Value::String(_) => Err(SignalError::Kind { found: "a string", wanted: "a scalar or an instant vector" }),
    }
}

/// Returns the message of an error with those of its sources.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn within(limit: usize, elements: usize) -> Result<(), String> {
    if limit > 0 && elements > limit {
        return Err(format!("the rule has {elements} elements, the limit of its group is {limit}"));
    }
    Ok(())
}

/// Returns the elements under the name and with the labels of a recording rule.
fn recorded(
    record: &str,
    labels: &BTreeMap<String, String>,
    found: Vec<VectorSample>,
    limit: usize,
) -> Result<Vec<VectorSample>, String> {
    within(limit, found.len())?;
    let (mut seen, mut written) = (HashSet::new(), Vec::with_capacity(found.len()));
    for element in found {
        let mut builder = element.labels.to_builder();
        builder.set(METRIC_NAME, record);
        labels.iter().for_each(|(name, value)| {
            builder.set(name, value);
        });
        let labels = builder.build();
        if !seen.insert(labels.clone()) {
            return Err(format!("several elements have the labels {labels} with the labels of the rule"));
        }
        written.push(VectorSample { labels, ..element });
    }
    Ok(written)
}

/// The parts of an alerting rule without its alerts.
struct AlertingRule<'a> {
    alert: &'a str,
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    /// `for` and `keep_firing_for` in milliseconds.
    durations: (i64, i64),
    former: HashMap<Labels, (i64, i64)>,
}

impl AlertingRule<'_> {
    /// Updates the alerts by the elements that were found, and returns the samples that show their states.
    fn evaluate(
        &self,
        active: &mut HashMap<Labels, ActiveAlert>,
        found: Vec<VectorSample>,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<VectorSample>, String> {
        let (for_ms, keep_firing_for_ms) = self.durations;
        let present = self.expanded(found)?;
        for (key, (value, expanded)) in &present {
            let entry =
                active.entry(key.clone()).or_insert_with(|| ActiveAlert::new(key.clone(), for_ms, keep_firing_for_ms));
            entry.value = *value;
            entry.annotations.clone_from(expanded);
        }
        for entry in active.values_mut() {
            entry.step(now_ms, present.contains_key(&entry.labels));
            if let Some((down_at_ms, active_at_ms)) = self.former.get(&entry.labels) {
                entry.restore(*active_at_ms, *down_at_ms, for_ms, now_ms);
            }
        }
        active.retain(|_, entry| !entry.is_over(now_ms));
        let shown: Vec<&ActiveAlert> = active.values().filter(|entry| entry.state != AlertState::Inactive).collect();
        if let Err(reason) = within(limit, shown.len()) {
            active.clear();
            return Err(reason);
        }
        let mut written = Vec::with_capacity(2 * shown.len());
        for entry in shown {
            let state = if entry.state == AlertState::Firing { "firing" } else { "pending" };
            let mut builder = entry.labels.to_builder();
            builder.set(METRIC_NAME, ALERTS_FOR_STATE);
            #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds are below 2^53")]
            written.push(VectorSample::number(builder.build(), now_ms, (entry.active_at_ms / 1000) as f64));
            builder.set(METRIC_NAME, ALERTS).set(ALERT_STATE, state);
            written.push(VectorSample::number(builder.build(), now_ms, 1.0));
        }
        written.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(written)
    }

    /// Returns the value and the annotations of each alert, by its labels.
    fn expanded(&self, found: Vec<VectorSample>) -> Result<HashMap<Labels, Expanded>, String> {
        let mut present = HashMap::new();
        // An alert is about a number.
        for element in found.into_iter().filter(|element| element.histogram.is_none()) {
            let scope = Scope { labels: &element.labels, value: element.value };
            let mut builder = element.labels.without(&[METRIC_NAME]).to_builder();
            for (name, template) in self.labels {
                builder.set(name, &expand(template, scope));
            }
            builder.set(ALERT_NAME, self.alert);
            let expanded =
                self.annotations.iter().map(|(name, template)| (name.clone(), expand(template, scope))).collect();
            let key = builder.build();
            if present.insert(key.clone(), (element.value, expanded)).is_some() {
                return Err(format!("several elements have the labels {key} with the labels of the rule"));
            }
        }
        Ok(present)
    }
}
