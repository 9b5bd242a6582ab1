//! Types, help texts and units of metrics, as senders and scrapes stated them.

use std::collections::HashSet;

use almanac_engine::store::rows::{MetadataFilter, MetadataRow};
use axum::{extract::State, response::Response};
use serde_json::{Map, Value, json};

use super::{
    answer::{PromError, success},
    parameters::number_of,
};
use crate::http::{AppState, Params};

/// Types, help texts and units of metrics.
///
/// `metric` (one name), `limit` (metrics), `limit_per_metric`; below 0 there is no limit.
#[utoipa::path(get, path = "/api/v1/metadata", tag = "prometheus",
    params(("metric" = Option<String>, Query, description = "only this metric"), ("limit" = Option<i64>, Query, description = "at most so many metrics"), ("limit_per_metric" = Option<i64>, Query, description = "at most so many entries of each")),
    responses((status = 200, description = "a list of type, help and unit for each metric"), (status = 400, description = "wrong parameter")))]
pub(super) async fn metadata(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    // Below 0 there is no limit, and 0 asks for nothing, as in Prometheus. There is one entry for each metric.
    let limit = number_of(&params, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    number_of(&params, "limit_per_metric")?;
    let metrics: Vec<String> = params.get("metric").map(str::to_owned).into_iter().collect();
    let rows = state.store.metadata(&MetadataFilter { metrics, limit });
    Ok(success(entries(&rows).to_string().as_bytes(), false))
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
