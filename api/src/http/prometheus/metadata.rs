//! `/api/v1/metadata`: types, help texts and units of metrics, as received from senders and scrapes.

use std::collections::HashSet;

use almanac_engine::{
    series::Labels,
    store::rows::{MetadataFilter, MetadataRow},
};
use axum::{extract::State, response::Response};
use serde_json::{Map, Value, json};

use super::{
    answer::{PromError, Remarks, success},
    labels::selector,
    parameters::number_of,
};
use crate::http::{ApiError, AppState, Lane, Params};

/// Lists types, help texts and units of metrics.
///
/// Parameters: `metric` (one name), `limit` (metrics), `limit_per_metric`; negative limits mean no limit.
#[utoipa::path(get, path = "/api/v1/metadata", tag = "prometheus",
    params(("metric" = Option<String>, Query, description = "only this metric"), ("limit" = Option<i64>, Query, description = "maximum number of metrics"), ("limit_per_metric" = Option<i64>, Query, description = "maximum number of entries per metric")),
    responses((status = 200, description = "for each metric a list of type, help and unit"), (status = 400, description = "invalid parameter")))]
pub(super) async fn metadata(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    // As in Prometheus, a negative limit means none and 0 returns nothing. `limit_per_metric` is only validated: each
    // metric has one entry.
    let limit = number_of(&params, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    number_of(&params, "limit_per_metric")?;
    let metrics: Vec<String> = params.get("metric").map(str::to_owned).into_iter().collect();
    let store = state.store.clone();
    let work = move || Ok::<_, ApiError>(entries(&store.metadata(&MetadataFilter { metrics, limit })).to_string());
    let data = state.run(Lane::Light, work).await?;
    Ok(success(data.as_bytes(), &Remarks::default()))
}

/// Lists types, help texts and units of the metrics of scrape targets. Metadata are kept by metric, so that every target
/// that matches has the entries of all scraped metrics.
///
/// Parameters: `match_target` (a selector of targets' labels), `metric` (one name), `limit` (entries).
#[utoipa::path(get, path = "/api/v1/targets/metadata", tag = "prometheus",
    params(("match_target" = Option<String>, Query, description = "selector of the labels of targets"), ("metric" = Option<String>, Query, description = "only this metric"), ("limit" = Option<i64>, Query, description = "maximum number of entries")),
    responses((status = 200, description = "a list of target, metric, type, help and unit"), (status = 400, description = "invalid parameter")))]
pub(super) async fn targets_metadata(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let limit = number_of(&params, "limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let metric = params.get("metric").map(str::to_owned);
    let matchers = params.get("match_target").map(selector).transpose()?.unwrap_or_default();
    let store = state.store.clone();
    let work = move || {
        let metrics: Vec<String> = metric.clone().into_iter().collect();
        let rows = store.metadata(&MetadataFilter { metrics, limit: None });
        let mut all = Vec::new();
        for target in store.scrape_targets() {
            let pairs = [("instance", target.instance.as_str()), ("job", target.job.as_str())];
            let labels = Labels::from_pairs(pairs).unwrap_or_default();
            if !matchers.iter().all(|matcher| matcher.matches(&labels)) {
                continue;
            }
            for row in rows.iter().take(limit.saturating_sub(all.len())) {
                let mut entry = json!({ "target": { "instance": target.instance, "job": target.job } });
                // The name is left out when it was asked for, as in Prometheus.
                if metric.is_none() {
                    entry["metric"] = json!(row.metric);
                }
                entry["type"] = json!(row.metric_type.as_str());
                entry["help"] = json!(row.help);
                entry["unit"] = json!(row.unit);
                all.push(entry);
            }
        }
        Ok::<_, ApiError>(Value::Array(all).to_string())
    };
    let data = state.run(Lane::Labels, work).await?;
    Ok(success(data.as_bytes(), &Remarks::default()))
}

fn entries(rows: &[MetadataRow]) -> Value {
    let mut seen = HashSet::new();
    let mut all = Map::new();
    for row in rows.iter().filter(|row| seen.insert(&row.metric)) {
        let entry = json!({ "type": row.metric_type.as_str(), "help": row.help, "unit": row.unit });
        all.insert(row.metric.clone(), json!([entry]));
    }
    Value::Object(all)
}
