//! Lists for Grafana's query editor, variables and ad-hoc filters: targets, options, label names and values.

use std::collections::BTreeSet;

use almanac_engine::{
    series::{METRIC_NAME, MatchOp, Matcher},
    store::rows::{Kind, RecommendationFilter, State as Stage},
};
use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    filters::{Filters, SIGNAL},
    query::signal_names,
    request::{FilterBody, Lenient, Range, or_default},
    target::TABLES,
};
use crate::http::{ApiError, AppState, ErrorBody, Lane};

/// Maximum number of entries of a list.
const MAX_ENTRIES: usize = 40_000;

/// Responds to Grafana's connection test.
#[utoipa::path(get, path = "/grafana", tag = "grafana", responses((status = 200, description = "the connection works")))]
pub(super) async fn test() -> Json<Value> {
    Json(json!({ "status": "ok", "application": "almanac", "version": env!("CARGO_PKG_VERSION") }))
}

/// Same as `/grafana`.
#[utoipa::path(get, path = "/grafana/", tag = "grafana", responses((status = 200, description = "the connection works")))]
pub(super) async fn test_slash() -> Json<Value> {
    test().await
}

/// Current input of the query builder.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct MetricsBody {
    /// The selected metric.
    #[serde(default)]
    metric: Option<String>,
    /// The option whose values are requested.
    #[serde(default)]
    name: Option<String>,
}

/// Lists targets for the query builder, each with its options.
#[utoipa::path(post, path = "/grafana/metrics", operation_id = "grafana_metrics", tag = "grafana", request_body = MetricsBody,
    responses((status = 200, description = "entries with label, value and payloads", body = Vec<Object>)))]
pub(super) async fn metrics(
    State(state): State<AppState>,
    _: Lenient<MetricsBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let choices = |words: &[&str]| words.iter().map(|word| json!({ "value": word })).collect::<Vec<_>>();
    let select = |name: &str, words: &[&str]| json!({ "name": name, "type": "select", "options": choices(words) });
    let several =
        |name: &str, words: &[&str]| json!({ "name": name, "type": "multi-select", "options": choices(words) });
    let series_format = select("format", &["timeseries", "fields", "table"]);
    let row_format = select("format", &["fields", "table"]);
    let legend = json!({ "name": "legend", "type": "input", "placeholder": "{{label}}" });
    let kinds = state.config.registry.kinds();
    let kinds: Vec<&str> = kinds.iter().map(Kind::as_str).collect();
    let stages: Vec<&str> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
    let min_score = json!({ "name": "min_score", "type": "input", "placeholder": "1" });
    let mut all = vec![
        json!({ "label": "Recommendations", "value": "recommendations", "payloads": [
            several("kind", &kinds), several("state", &stages), { "name": "target", "type": "multi-select" }, row_format ] }),
        json!({ "label": "Anomalies of all signals", "value": "anomalies", "payloads": [min_score, row_format] }),
        json!({ "label": "Incidents", "value": "incidents", "payloads": [row_format] }),
        json!({ "label": "Suspected incidents", "value": "suspected_incidents", "payloads": [row_format] }),
        json!({ "label": "Deploys", "value": "deploys", "payloads": [row_format] }),
        json!({ "label": "Signals and their models", "value": "signals", "payloads": [row_format] }),
        json!({ "label": "Expected breaches", "value": "breaches", "payloads": [row_format] }),
        json!({ "label": "Verdicts of the advisors", "value": "advice", "payloads": [row_format] }),
        json!({ "label": "PromQL", "value": "promql", "payloads": [
            { "name": "expr", "type": "textarea", "label": "Expression", "placeholder": "sum(rate(http_requests_total[5m]))" },
            legend, series_format ] }),
    ];
    for signal in signal_names(&state).await? {
        all.push(json!({ "label": signal, "value": signal, "payloads": [legend, series_format] }));
        let forecast = format!("forecast({signal})");
        all.push(
            json!({ "label": forecast, "value": forecast, "payloads": [several("level", &["80", "95"]), row_format] }),
        );
        let anomalies = format!("anomalies({signal})");
        all.push(json!({ "label": anomalies, "value": anomalies, "payloads": [min_score, row_format] }));
    }
    Ok(Json(all))
}

/// Lists the values of an option that `/grafana/metrics` does not list.
#[utoipa::path(post, path = "/grafana/metric-payload-options", tag = "grafana", request_body = MetricsBody,
    responses((status = 200, description = "entries with label and value", body = Vec<Object>)))]
pub(super) async fn metric_payload_options(
    State(state): State<AppState>,
    Lenient(body): Lenient<MetricsBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    if body.metric.as_deref() != Some("recommendations") || body.name.as_deref() != Some("target") {
        return Ok(Json(Vec::new()));
    }
    let targets = recommended_targets(&state).await?;
    Ok(Json(targets.into_iter().map(|target| json!({ "value": target })).collect()))
}

async fn recommended_targets(state: &AppState) -> Result<BTreeSet<String>, ApiError> {
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.recommendations(&RecommendationFilter::default())).await?;
    Ok(rows.into_iter().map(|row| row.target).collect())
}

/// Search text of older query editors.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SearchBody {
    /// Part of the name of a target.
    #[serde(default)]
    target: Option<String>,
}

/// Lists targets, for plugin versions up to 0.5.
#[utoipa::path(post, path = "/grafana/search", tag = "grafana", request_body = SearchBody,
    responses((status = 200, description = "names of targets", body = Vec<String>)))]
pub(super) async fn search(
    State(state): State<AppState>,
    Lenient(body): Lenient<SearchBody>,
) -> Result<Json<Vec<String>>, ApiError> {
    let part = body.target.unwrap_or_default().to_lowercase();
    let signals = signal_names(&state).await?;
    let functions = signals
        .iter()
        .flat_map(|signal| [signal.clone(), format!("forecast({signal})"), format!("anomalies({signal})")]);
    let all = TABLES.iter().map(|table| (*table).to_owned()).chain(functions);
    Ok(Json(all.filter(|name| name.to_lowercase().contains(&part)).collect()))
}

/// Query of a dashboard variable.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct VariableBody {
    /// `{"target": "…"}`
    #[serde(default)]
    #[schema(value_type = Object)]
    payload: Value,
    /// Span of the dashboard.
    #[serde(default, deserialize_with = "or_default")]
    range: Range,
}

/// Lists the values of a dashboard variable.
///
/// Queries: `signals`, `metrics`, `targets`, `label_names()`, `label_values(label)` and
/// `label_values(selector, label)`.
#[utoipa::path(post, path = "/grafana/variable", tag = "grafana", request_body = VariableBody,
    responses((status = 200, description = "entries with __text and __value", body = Vec<Object>), (status = 400, description = "invalid query", body = ErrorBody)))]
pub(super) async fn variable(
    State(state): State<AppState>,
    Lenient(body): Lenient<VariableBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let text = match &body.payload {
        Value::String(text) => text.trim(),
        payload => payload.get("target").and_then(Value::as_str).unwrap_or_default().trim(),
    };
    let (start_ms, end_ms) = body.range.bounds(state.clock.now().millis())?;
    let arguments = text
        .strip_prefix("label_values")
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'));
    let values: Vec<String> = match (text, arguments) {
        ("signals", _) => signal_names(&state).await?,
        ("targets", _) => recommended_targets(&state).await?.into_iter().collect(),
        ("metrics", _) => label_values(&state, METRIC_NAME, || Ok(Vec::new()), (start_ms, end_ms)).await?,
        ("label_names()" | "label_names", _) => label_names(&state, || Ok(Vec::new()), (start_ms, end_ms)).await?,
        (_, Some(arguments)) => {
            // The last comma separates the label, unless it is inside of the selector.
            let (selector, label) = match arguments.rsplit_once(',') {
                Some((selector, label)) if !label.contains(['}', '"']) => (Some(selector.trim()), label.trim()),
                _ => (None, arguments.trim()),
            };
            let selector = selector.map(str::to_owned);
            let selectors = move || match selector {
                Some(selector) => {
                    let query = super::target::expression(&selector)?;
                    Ok(query.selectors().into_iter().map(<[Matcher]>::to_vec).collect())
                }
                None => Ok(Vec::new()),
            };
            label_values(&state, label, selectors, (start_ms, end_ms)).await?
        }
        _ => {
            let message = format!(
                "{text:?} is not a query for a variable; use signals, metrics, targets, label_names(), \
                 label_values(label) or label_values(selector, label)"
            );
            return Err(ApiError::bad_request("unknown_variable", message));
        }
    };
    Ok(Json(values.into_iter().map(|value| json!({ "__text": value, "__value": value })).collect()))
}

/// Request for the keys or values of ad-hoc filters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagsBody {
    /// The label whose values are requested.
    #[serde(default)]
    key: Option<String>,
    /// The other filters.
    #[serde(default)]
    filters: Option<Vec<Option<FilterBody>>>,
    /// Span of the dashboard.
    #[serde(default)]
    time_range: Option<Range>,
}

impl TagsBody {
    /// Returns the other filters as one selector, or no selector without filters.
    fn selectors(&self) -> Result<Vec<Vec<Matcher>>, ApiError> {
        let filters: Vec<FilterBody> =
            self.filters.iter().flatten().flatten().filter(|filter| !filter.key.is_empty()).cloned().collect();
        let mut matchers = Filters::read(&filters)?.label_matchers();
        if matchers.is_empty() {
            return Ok(Vec::new());
        }
        // As in Prometheus, a selector needs a matcher that does not match empty text.
        if let Ok(any) = Matcher::new(METRIC_NAME, MatchOp::Regex, ".+") {
            matchers.push(any);
        }
        Ok(vec![matchers])
    }

    /// Returns the span in epoch milliseconds; unbounded when it is missing.
    fn bounds(&self, now_ms: i64) -> Result<(i64, i64), ApiError> {
        self.time_range.as_ref().map_or(Ok((i64::MIN, i64::MAX)), |range| range.bounds(now_ms))
    }
}

/// Lists the keys of ad-hoc filters: all labels, and the keys of tables.
#[utoipa::path(post, path = "/grafana/tag-keys", tag = "grafana", request_body = Option<TagsBody>,
    responses((status = 200, description = "entries with type and text", body = Vec<Object>)))]
pub(super) async fn tag_keys(
    State(state): State<AppState>,
    Lenient(body): Lenient<TagsBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let span = body.bounds(state.clock.now().millis())?;
    let names = label_names(&state, move || body.selectors(), span).await?;
    let own = [SIGNAL, "kind", "state", "target"].map(str::to_owned);
    let all: BTreeSet<String> = names.into_iter().filter(|name| name != METRIC_NAME).chain(own).collect();
    Ok(Json(all.into_iter().map(|name| json!({ "type": "string", "text": name })).collect()))
}

/// Lists the values of one key of ad-hoc filters.
#[utoipa::path(post, path = "/grafana/tag-values", tag = "grafana", request_body = TagsBody,
    responses((status = 200, description = "entries with text", body = Vec<Object>)))]
pub(super) async fn tag_values(
    State(state): State<AppState>,
    Lenient(body): Lenient<TagsBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let Some(key) = body.key.clone().filter(|key| !key.is_empty()) else { return Ok(Json(Vec::new())) };
    let span = body.bounds(state.clock.now().millis())?;
    let mut values: BTreeSet<String> =
        label_values(&state, &key, move || body.selectors(), span).await?.into_iter().collect();
    match key.as_str() {
        SIGNAL => values.extend(signal_names(&state).await?),
        "kind" => values.extend(state.config.registry.kinds().iter().map(ToString::to_string)),
        "state" => values.extend(Stage::ALL.iter().map(|stage| stage.to_string())),
        "target" => values.extend(recommended_targets(&state).await?),
        _ => {}
    }
    Ok(Json(values.into_iter().map(|value| json!({ "text": value })).collect()))
}

/// Lists label names. `selectors` is called on the thread that reads, since patterns may take long.
async fn label_names(
    state: &AppState,
    selectors: impl FnOnce() -> Result<Vec<Vec<Matcher>>, ApiError> + Send + 'static,
    (start_ms, end_ms): (i64, i64),
) -> Result<Vec<String>, ApiError> {
    let store = state.store.clone();
    let read = move || Ok::<_, ApiError>(store.label_names(&selectors()?, start_ms, end_ms)?);
    state.run(Lane::Labels, read).await
}

/// Lists the values of a label, like [`label_names`].
async fn label_values(
    state: &AppState,
    label: &str,
    selectors: impl FnOnce() -> Result<Vec<Vec<Matcher>>, ApiError> + Send + 'static,
    (start_ms, end_ms): (i64, i64),
) -> Result<Vec<String>, ApiError> {
    let (store, label) = (state.store.clone(), label.to_owned());
    let read = move || Ok::<_, ApiError>(store.label_values(&label, &selectors()?, start_ms, end_ms)?);
    let mut values = state.run(Lane::Labels, read).await?;
    values.truncate(MAX_ENTRIES);
    Ok(values)
}
