//! Prometheus' HTTP API, for Grafana's built-in data source and other clients of Prometheus.
//!
//! Queries use the same evaluator as all other routes.

mod answer;
mod health;
mod labels;
mod metadata;
mod parameters;
mod query;
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
        .routes(routes!(status::buildinfo))
        .routes(routes!(metadata::metadata))
        .routes(routes!(targets::targets))
        .routes(routes!(health::healthy))
        .routes(routes!(health::ready))
        .routes(routes!(status::rules))
}
