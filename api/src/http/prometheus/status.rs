//! `/api/v1/status/*`: what the running service is, how it is configured, and what its store has.

use std::collections::HashMap;

use almanac_engine::series::METRIC_NAME;
use axum::{Json, extract::State, response::Response};
use serde_json::{Value, json};

use super::{
    answer::{PromError, Remarks, success},
    parameters::limit_of,
};
use crate::http::{AppState, Lane, Params, shared::iso};

/// Number of entries of each list of `/api/v1/status/tsdb` without a limit.
const DEFAULT_ENTRIES: usize = 10;
/// Largest number of entries of each list.
const MOST_ENTRIES: usize = 10_000;

/// Returns the version of Prometheus whose semantics are implemented, with Almanac's version as build metadata.
///
/// By semantic versioning, build metadata does not affect the order of versions.
#[utoipa::path(get, path = "/api/v1/status/buildinfo", tag = "prometheus", responses((status = 200, description = "versions")))]
pub(super) async fn buildinfo() -> Json<Value> {
    Json(json!({"status": "success", "data": {
        "version": concat!("3.14.0+almanac.", env!("CARGO_PKG_VERSION")),
        "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "", "application": "almanac",
    }}))
}

/// Returns an empty configuration: that of the service is not in Prometheus' format, and has secrets.
#[utoipa::path(get, path = "/api/v1/status/config", tag = "prometheus", responses((status = 200, description = "an empty YAML text")))]
pub(super) async fn config() -> Json<Value> {
    Json(json!({"status": "success", "data": { "yaml": "" }}))
}

/// Returns the settings that correspond to flags of Prometheus.
#[utoipa::path(get, path = "/api/v1/status/flags", tag = "prometheus", responses((status = 200, description = "flags and their values")))]
pub(super) async fn flags(State(state): State<AppState>) -> Json<Value> {
    let config = &state.config;
    let retention = config.store.retention.raw.map_or_else(|| "0s".to_owned(), |span| format!("{}ms", span.millis()));
    Json(json!({"status": "success", "data": {
        "enable-feature": config.promql.features.join(","),
        "query.lookback-delta": "5m",
        "query.timeout": "2m",
        "query.max-samples": super::query::MAX_SAMPLES.to_string(),
        "storage.tsdb.path": config.store.path.display().to_string(),
        "storage.tsdb.retention.time": retention,
        "web.enable-remote-write-receiver": "true",
        "web.listen-address": config.server.listen.to_string(),
    }}))
}

/// Returns the start of the service and figures of its process.
#[utoipa::path(get, path = "/api/v1/status/runtimeinfo", tag = "prometheus", responses((status = 200, description = "figures of the process")))]
pub(super) async fn runtimeinfo(State(state): State<AppState>) -> Json<Value> {
    let now = state.clock.now().millis();
    let running = i64::try_from(state.started.elapsed().as_millis()).unwrap_or(0);
    let retention = state.config.store.retention.raw.map_or_else(String::new, |span| format!("{}ms", span.millis()));
    Json(json!({"status": "success", "data": {
        "startTime": iso(now.saturating_sub(running)),
        "CWD": std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default(),
        "hostname": "",
        "serverTime": iso(now),
        "reloadConfigSuccess": true,
        "lastConfigTime": iso(now.saturating_sub(running)),
        "corruptionCount": state.store.stats().damaged_blocks,
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, usize::from),
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": retention,
    }}))
}

/// Returns that nothing is left to replay: the service answers when its store is open.
#[utoipa::path(get, path = "/api/v1/status/walreplay", tag = "prometheus", responses((status = 200, description = "progress of the replay")))]
pub(super) async fn walreplay() -> Json<Value> {
    Json(json!({"status": "success", "data": { "min": 0, "max": 0, "current": 0 }}))
}

/// Returns the metrics and labels with the most series.
///
/// Parameter: `limit` (entries of each list [10]).
#[utoipa::path(get, path = "/api/v1/status/tsdb", tag = "prometheus",
    params(("limit" = Option<usize>, Query, description = "entries of each list, at most 10000 [10]")),
    responses((status = 200, description = "cardinality of the store"), (status = 400, description = "invalid parameter")))]
pub(super) async fn tsdb(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let limit = limit_of(&params, "limit")?.unwrap_or(DEFAULT_ENTRIES);
    if limit > MOST_ENTRIES {
        let message = format!("invalid parameter \"limit\": {limit} is above {MOST_ENTRIES}");
        return Err(PromError::bad_data(message));
    }
    let store = state.store.clone();
    let work = move || {
        let all = store.series(&[], i64::MIN, i64::MAX)?;
        let mut metrics: HashMap<&str, u64> = HashMap::new();
        let mut pairs: HashMap<(&str, &str), u64> = HashMap::new();
        // Numbers of values, and their length in bytes.
        let mut names: HashMap<&str, (u64, u64)> = HashMap::new();
        for labels in &all {
            *metrics.entry(labels.metric_name()).or_default() += 1;
            for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
                *pairs.entry((name, value)).or_default() += 1;
            }
        }
        for (name, value) in pairs.keys() {
            let entry = names.entry(name).or_default();
            entry.0 += 1;
            entry.1 += value.len() as u64;
        }
        let stats = store.stats();
        let (oldest, newest) = (store.oldest().map(|at| at.millis()), store.newest().map(|at| at.millis()));
        Ok::<_, almanac_engine::store::StoreError>(json!({
            "headStats": {
                "numSeries": stats.series, "numLabelPairs": pairs.len() + metrics.len(), "chunkCount": 0,
                "minTime": oldest.unwrap_or(i64::MAX), "maxTime": newest.unwrap_or(i64::MIN),
            },
            "seriesCountByMetricName": largest(metrics.iter().map(|(name, count)| ((*name).to_owned(), *count)), limit),
            "labelValueCountByLabelName": largest(names.iter().map(|(name, (count, _))| ((*name).to_owned(), *count)), limit),
            "memoryInBytesByLabelName": largest(names.iter().map(|(name, (_, bytes))| ((*name).to_owned(), *bytes)), limit),
            "seriesCountByLabelValuePair": largest(pairs.iter().map(|((name, value), count)| (format!("{name}={value}"), *count)), limit),
        })
        .to_string())
    };
    let data = state.run(Lane::Labels, work).await?;
    Ok(success(data.as_bytes(), &Remarks::default()))
}

/// Returns the largest counts with their names, the largest first.
fn largest(counts: impl Iterator<Item = (String, u64)>, limit: usize) -> Value {
    let mut all: Vec<(String, u64)> = counts.collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(limit);
    all.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}
