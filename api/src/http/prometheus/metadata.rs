//! `/api/v1/metadata`: types, help texts and units of metrics, as received from senders and scrapes.

use std::collections::HashSet;

use almanac_engine::store::rows::{MetadataFilter, MetadataRow};
use axum::{extract::State, response::Response};
use serde_json::{Map, Value, json};

use super::{
    answer::{PromError, success},
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
    Ok(success(data.as_bytes(), false))
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
