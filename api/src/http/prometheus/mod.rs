//! Prometheus' HTTP API, for Grafana's built-in data source and other clients of Prometheus.
//!
//! Queries use the same evaluator as all other routes.

mod answer;
mod exemplars;
mod format;
mod health;
mod labels;
mod metadata;
mod native;
mod parameters;
mod query;
mod read;
mod rules;
mod status;
mod targets;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(super) use answer::{error_response, error_type, is_formatted, is_prometheus_path};
pub(super) use query::{EvaluationError, evaluate_within};

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(query::query, query::query_posted))
        .routes(routes!(query::query_range, query::query_range_posted))
        .routes(routes!(labels::labels, labels::labels_posted))
        .routes(routes!(labels::label_values))
        .routes(routes!(labels::series, labels::series_posted))
        .routes(routes!(format::format_query, format::format_query_posted))
        .routes(routes!(format::parse_query, format::parse_query_posted))
        .routes(routes!(exemplars::query_exemplars, exemplars::query_exemplars_posted))
        .routes(routes!(read::read))
        .routes(routes!(status::buildinfo))
        .routes(routes!(status::config))
        .routes(routes!(status::flags))
        .routes(routes!(status::runtimeinfo))
        .routes(routes!(status::tsdb))
        .routes(routes!(status::walreplay))
        .routes(routes!(metadata::metadata))
        .routes(routes!(metadata::targets_metadata))
        .routes(routes!(targets::targets))
        .routes(routes!(targets::scrape_pools))
        .routes(routes!(health::healthy))
        .routes(routes!(health::ready))
        .routes(routes!(rules::rules))
        .routes(routes!(rules::alerts))
        .routes(routes!(rules::alertmanagers))
}
