//! Recommendations for pollers and autoscalers: list, long poll, stream, reports of acceptance, dismissal and
//! application, pictures of the evidence, and the replicas of a workload.

mod body;
mod error;
mod filter;
mod list;
mod picture_body;
mod pictures;
mod report;
mod scaling;
mod stream;

#[cfg(test)]
mod tests;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;

pub use body::{RecommendationBody, RecommendationList};
pub(super) use filter::kinds;
pub(crate) use scaling::recommended_replicas;

/// Returns the routes.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(list::one))
        .routes(routes!(pictures::pictures))
        .routes(routes!(stream::stream))
        .routes(routes!(report::accept))
        .routes(routes!(report::dismiss))
        .routes(routes!(report::applied))
        .routes(routes!(scaling::replicas))
}
