//! Server side of Grafana's JSON data source (plugin `simpod-json-datasource`), including its older protocols.
//!
//! A target is the name of a signal, one of `forecast(signal)`, `anomalies(signal)`, `recommendations`, `incidents`,
//! `suspected_incidents`, `deploys`, `signals`, or any `PromQL` expression. Grafana inserts variables as regular
//! expressions, so names may be patterns.

mod filters;
mod frames;
mod learned;
mod lists;
mod query;
mod request;
mod series;
mod steps;
mod target;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(lists::test))
        .routes(routes!(lists::test_slash))
        .routes(routes!(lists::metrics))
        .routes(routes!(lists::metric_payload_options))
        .routes(routes!(lists::search))
        .routes(routes!(lists::variable))
        .routes(routes!(lists::tag_keys))
        .routes(routes!(lists::tag_values))
        .routes(routes!(query::query))
        .routes(routes!(query::annotations))
}
