//! `/api/v1/targets`: scrape targets with the result of their last scrape.

use almanac_engine::store::rows::ScrapeTargetRow;
use axum::{extract::State, response::Response};
use serde_json::{Value, json};

use super::answer::{PromError, Remarks, success};
use crate::http::{AppState, Params, shared::iso};

/// Prometheus' value for a time that is not set.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Lists scrape targets; `droppedTargets` is always empty.
///
/// Parameters: `state` (`active`, `dropped` or `any`), `scrapePool` (the job).
#[utoipa::path(get, path = "/api/v1/targets", tag = "prometheus",
    params(("state" = Option<String>, Query, description = "active, dropped or any"), ("scrapePool" = Option<String>, Query, description = "only targets of this job")),
    responses((status = 200, description = "activeTargets and droppedTargets"), (status = 400, description = "invalid parameter")))]
pub(super) async fn targets(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let wanted = params.get("state").unwrap_or("any").to_lowercase();
    let (active, dropped) = match wanted.as_str() {
        "any" => (true, true),
        "active" => (true, false),
        "dropped" => (false, true),
        other => {
            let message = format!("invalid parameter \"state\": {other:?} is not one of active, dropped, any");
            return Err(PromError::bad_data(message));
        }
    };
    let job = params.get("scrapePool");
    let rows = if active { state.store.scrape_targets() } else { Vec::new() };
    let shown: Vec<Value> = rows.iter().filter(|row| job.is_none_or(|job| job == row.job)).map(target).collect();
    let mut data = json!({ "activeTargets": shown, "droppedTargets": [] });
    if dropped {
        data["droppedTargetCounts"] = json!({});
    }
    Ok(success(data.to_string().as_bytes(), &Remarks::default()))
}

/// Lists the names of the scrape jobs.
#[utoipa::path(get, path = "/api/v1/scrape_pools", tag = "prometheus", responses((status = 200, description = "names of jobs")))]
pub(super) async fn scrape_pools(State(state): State<AppState>) -> Result<Response, PromError> {
    let mut jobs: Vec<&str> = state.config.scrapes.iter().map(|scrape| scrape.job.as_str()).collect();
    jobs.sort_unstable();
    jobs.dedup();
    Ok(success(json!({ "scrapePools": jobs }).to_string().as_bytes(), &Remarks::default()))
}

fn target(row: &ScrapeTargetRow) -> Value {
    let (scheme, path) = match row.url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest.find('/').map_or("/metrics", |slash| &rest[slash..])),
        None => ("http", "/metrics"),
    };
    json!({
        "discoveredLabels": { "__address__": row.instance, "__scheme__": scheme, "__metrics_path__": path, "job": row.job },
        "labels": { "instance": row.instance, "job": row.job },
        "scrapePool": row.job,
        "scrapeUrl": row.url,
        "globalUrl": row.url,
        "lastError": row.last_error.as_deref().unwrap_or(""),
        "lastScrape": row.last_scrape.map_or_else(|| NEVER.to_owned(), |at| iso(at.millis())),
        "lastScrapeDuration": row.duration_ms / 1000.0,
        "health": row.health.as_str(),
    })
}
