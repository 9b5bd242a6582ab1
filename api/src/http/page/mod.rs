//! The web page: pages rendered here from templates, and scripts that draw charts and keep them fresh.
//!
//! A page shows what the HTTP API has, by the same calls; its scripts read that API. Nothing is loaded from elsewhere.

mod assets;
mod card;
mod explore;
mod figures;
mod format;
mod incidents;
mod overview;
mod recommendation;
mod setup;
mod shell;
mod sign_in;
mod signals;
mod subject;

use axum::{Router, routing::get};

use super::AppState;

pub(super) use shell::{Asked, IsPage, for_people};
pub(super) use sign_in::session_token;

/// Paths of the page, as the router writes them. They are not part of the OpenAPI description.
#[cfg(test)]
pub(super) const PATHS: &[&str] = &[
    "/",
    "/recommendations",
    "/recommendations/{id}",
    "/signals",
    "/signals/{name}",
    "/incidents",
    "/subjects/{kind}",
    "/explore",
    "/setup",
    "/sign-in",
    "/sign-out",
    "/assets/{file}",
];

/// Returns the routes of the page.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/recommendations", get(recommendation::list))
        .route("/recommendations/{id}", get(recommendation::one))
        .route("/signals", get(signals::list))
        .route("/signals/{name}", get(signals::one))
        .route("/incidents", get(incidents::incidents))
        .route("/subjects/{kind}", get(subject::subject))
        .route("/explore", get(explore::explore))
        .route("/setup", get(setup::setup))
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-out", axum::routing::post(sign_in::sign_out))
        .route("/assets/{file}", get(assets::asset))
}
