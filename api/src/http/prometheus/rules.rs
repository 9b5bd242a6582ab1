//! `/api/v1/rules`, `/api/v1/alerts` and `/api/v1/alertmanagers`: the rules that the service evaluates, their alerts and
//! their receivers.

use almanac_engine::{
    advise::threshold::AlertState,
    rules::{ActiveAlert, EvaluatedRule, Group, Health, RuleKind},
    series::{Labels, Matcher},
};
use axum::{extract::State, response::Response};
use serde_json::{Map, Value, json};

use super::{
    answer::{PromError, Remarks, success},
    labels::selector,
    parameters::{flag_of, number_of},
};
use crate::http::{AppState, Params, shared::iso};

/// Time of a rule that was not evaluated yet.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Lists the rules that the service evaluates, by group, with their alerts. Without `alerts.evaluate` there are none.
///
/// Parameters: `type` (`alert` or `record`), `rule_name[]`, `rule_group[]`, `file[]`, `match[]` (selectors of the rules'
/// labels), `exclude_alerts`, `group_limit`, `group_next_token`.
#[utoipa::path(get, path = "/api/v1/rules", tag = "prometheus",
    params(("type" = Option<String>, Query, description = "alert or record"), ("rule_name[]" = Option<Vec<String>>, Query, description = "only these rules"), ("rule_group[]" = Option<Vec<String>>, Query, description = "only these groups"), ("file[]" = Option<Vec<String>>, Query, description = "only of these files"), ("match[]" = Option<Vec<String>>, Query, description = "selectors of the rules' labels"), ("exclude_alerts" = Option<bool>, Query, description = "without the alerts"), ("group_limit" = Option<usize>, Query, description = "maximum number of groups"), ("group_next_token" = Option<String>, Query, description = "token of the last answer")),
    responses((status = 200, description = "groups of rules"), (status = 400, description = "invalid parameter")))]
pub(super) async fn rules(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let filter = RuleFilter::of(&params)?;
    let limit = number_of(&params, "group_limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|n| *n > 0);
    let token = params.get("group_next_token");
    if token.is_some() && limit.is_none() {
        return Err(PromError::bad_data("invalid parameter \"group_limit\": group_next_token needs it"));
    }
    let book = state.rules.book();
    let mut groups: Vec<&Group> = book.groups.iter().filter(|group| filter.keeps_group(group)).collect();
    if let Some(token) = token {
        let start = groups.iter().position(|group| token_of(group) == token);
        let start = start.ok_or_else(|| {
            PromError::bad_data("invalid parameter \"group_next_token\": no group has it; start from the first page")
        })?;
        groups.drain(..start);
    }
    let mut data = Map::new();
    let next = limit.and_then(|limit| groups.get(limit)).map(|group| token_of(group));
    groups.truncate(limit.unwrap_or(usize::MAX));
    let shown: Vec<Value> = groups.into_iter().filter_map(|group| filter.group(group)).collect();
    data.insert("groups".to_owned(), Value::Array(shown));
    if let Some(next) = next {
        data.insert("groupNextToken".to_owned(), Value::String(next));
    }
    Ok(success(Value::Object(data).to_string().as_bytes(), &Remarks::default()))
}

/// Lists the alerts that are pending or firing.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "prometheus", responses((status = 200, description = "alerts")))]
pub(super) async fn alerts(State(state): State<AppState>) -> Result<Response, PromError> {
    let book = state.rules.book();
    let rules = book.groups.iter().flat_map(|group| &group.rules);
    let alerts: Vec<Value> = rules.flat_map(|rule| rule.active()).map(alert).collect();
    Ok(success(json!({ "alerts": alerts }).to_string().as_bytes(), &Remarks::default()))
}

/// Lists the Alertmanagers that get the alerts.
#[utoipa::path(get, path = "/api/v1/alertmanagers", tag = "prometheus", responses((status = 200, description = "addresses")))]
pub(super) async fn alertmanagers(State(state): State<AppState>) -> Result<Response, PromError> {
    let config = &state.config.alerts;
    let urls = if config.evaluate { config.alertmanagers.as_slice() } else { &[] };
    let active: Vec<Value> =
        urls.iter().map(|url| json!({ "url": format!("{}/api/v2/alerts", url.trim_end_matches('/')) })).collect();
    let data = json!({ "activeAlertmanagers": active, "droppedAlertmanagers": [] });
    Ok(success(data.to_string().as_bytes(), &Remarks::default()))
}

/// Returns the name of a group in `group_next_token`.
fn token_of(group: &Group) -> String {
    format!("{};{}", group.file, group.name)
}

/// The filter of a request.
struct RuleFilter {
    alerting: bool,
    recording: bool,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    selectors: Vec<Vec<Matcher>>,
    with_alerts: bool,
}

impl RuleFilter {
    fn of(params: &Params) -> Result<Self, PromError> {
        let (alerting, recording) = match params.get("type").map(str::to_lowercase).as_deref() {
            None => (true, true),
            Some("alert") => (true, false),
            Some("record") => (false, true),
            Some(other) => {
                let message = format!("invalid parameter \"type\": {other:?} is neither alert nor record");
                return Err(PromError::bad_data(message));
            }
        };
        let all = |name: &str| params.all(name).map(str::to_owned).collect::<Vec<String>>();
        Ok(Self {
            alerting,
            recording,
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            selectors: params.all("match[]").map(selector).collect::<Result<_, _>>()?,
            with_alerts: !flag_of(params, "exclude_alerts")?,
        })
    }

    fn keeps_group(&self, group: &Group) -> bool {
        let has = |all: &[String], one: &String| all.is_empty() || all.contains(one);
        has(&self.groups, &group.name) && has(&self.files, &group.file)
    }

    fn keeps(&self, rule: &EvaluatedRule) -> bool {
        let is_alerting = matches!(rule.kind, RuleKind::Alerting { .. });
        let of_kind = if is_alerting { self.alerting } else { self.recording };
        let named = self.names.is_empty() || self.names.iter().any(|name| name == rule.name());
        let labels = Labels::from_pairs(rule.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let labels = labels.unwrap_or_default();
        let matches = self.selectors.is_empty()
            || self.selectors.iter().any(|all| all.iter().all(|matcher| matcher.matches(&labels)));
        of_kind && named && matches
    }

    /// Returns a group with the rules that pass; none if no rule passes.
    fn group(&self, group: &Group) -> Option<Value> {
        let rules: Vec<Value> =
            group.rules.iter().filter(|rule| self.keeps(rule)).map(|rule| self.rule(rule)).collect();
        (!rules.is_empty()).then(|| {
            json!({
                "name": group.name,
                "file": group.file,
                "rules": rules,
                "interval": seconds(group.interval_ms),
                "limit": group.limit,
                "evaluationTime": group.took().as_secs_f64(),
                "lastEvaluation": time(group.evaluated_at_ms),
            })
        })
    }

    fn rule(&self, rule: &EvaluatedRule) -> Value {
        let mut fields = Map::new();
        if let RuleKind::Alerting { for_ms, keep_firing_for_ms, annotations, .. } = &rule.kind {
            let active = rule.active();
            let state = active.iter().map(|alert| state_name(alert.state)).max_by_key(|name| *name == "firing");
            fields.insert("state".to_owned(), json!(state.unwrap_or("inactive")));
            fields.insert("duration".to_owned(), json!(seconds(*for_ms)));
            fields.insert("keepFiringFor".to_owned(), json!(seconds(*keep_firing_for_ms)));
            fields.insert("annotations".to_owned(), json!(annotations));
            let alerts: Vec<Value> =
                if self.with_alerts { active.into_iter().map(alert).collect() } else { Vec::new() };
            fields.insert("alerts".to_owned(), Value::Array(alerts));
        }
        let (health, error) = match &rule.health {
            Health::Unknown => ("unknown", None),
            Health::Good => ("ok", None),
            Health::Bad(reason) => ("err", Some(reason)),
        };
        let kind = if matches!(rule.kind, RuleKind::Alerting { .. }) { "alerting" } else { "recording" };
        fields.insert("name".to_owned(), json!(rule.name()));
        fields.insert("query".to_owned(), json!(rule.query.on_one_line()));
        fields.insert("labels".to_owned(), json!(rule.labels));
        fields.insert("health".to_owned(), json!(health));
        fields.extend(error.map(|reason| ("lastError".to_owned(), json!(reason))));
        fields.insert("evaluationTime".to_owned(), json!(rule.took.as_secs_f64()));
        fields.insert("lastEvaluation".to_owned(), json!(time(rule.evaluated_at_ms)));
        fields.insert("type".to_owned(), json!(kind));
        Value::Object(fields)
    }
}

fn alert(alert: &ActiveAlert) -> Value {
    let labels: Map<String, Value> = alert.labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let mut fields = json!({
        "labels": labels,
        "annotations": alert.annotations,
        "state": state_name(alert.state),
        "activeAt": iso(alert.active_at_ms),
        "value": exponential(alert.value),
    });
    if let Some(since) = alert.keep_firing_since_ms {
        fields["keepFiringSince"] = json!(iso(since));
    }
    fields
}

fn state_name(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "inactive",
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
    }
}

fn time(at_ms: Option<i64>) -> String {
    at_ms.map_or_else(|| NEVER.to_owned(), iso)
}

#[expect(clippy::cast_precision_loss, reason = "durations are below 2^53 ms")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// Formats a value as Prometheus does here: always with an exponent of at least two digits.
fn exponential(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_exponents() {
        for (value, expected) in [(1.0, "1e+00"), (0.05, "5e-02"), (-1234.5, "-1.2345e+03"), (1e100, "1e+100")] {
            assert_eq!(exponential(value), expected);
        }
        assert_eq!(exponential(f64::INFINITY), "+Inf");
    }
}
