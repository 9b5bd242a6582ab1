//! Flat rows for pollers and for Grafana's Infinity data source: a JSON array of objects with the same keys, sorted by
//! time, or CSV with `format=csv` or `Accept: text/csv`. With `page=N` the JSON comes in pages.

mod breaches;
mod correlated;
mod encode;
mod events;
mod flat;
mod flat_samples;
mod format;
mod learned;
mod page;
mod samples;
mod scrape;
mod span;
mod targets;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub(super) use breaches::BreachBody;
pub(crate) use breaches::all_expected_breaches;
pub(super) use encode::{Keep, respond_rows};
pub(super) use flat::{object, scalar};
pub(super) use format::Format;
pub(super) use page::{Extent, Page, PageParams};
pub(super) use span::{instant, instant_text};
pub(super) use targets::TargetBody;
pub(crate) use targets::judged_targets;

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(learned::signals))
        .routes(routes!(learned::forecasts))
        .routes(routes!(learned::anomalies))
        .routes(routes!(samples::samples))
        .routes(routes!(events::incidents))
        .routes(routes!(events::deploys))
        .routes(routes!(correlated::suspected_incidents))
        .routes(routes!(correlated::peer_outliers))
        .routes(routes!(correlated::correlations))
        .routes(routes!(breaches::breaches))
        .routes(routes!(scrape::scrape_targets))
        .routes(routes!(targets::objectives))
}
