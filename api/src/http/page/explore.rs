//! Explore: PromQL with a chart, SQL with a table. The work is done by the scripts and the HTTP API.

use askama::Template;
use axum::{Extension, extract::State, response::Response};

use super::shell::{Shell, render};
use crate::{
    access::{Caller, Scope},
    http::{ApiError, AppState, Params},
};

#[derive(Template)]
#[template(path = "explore.html")]
struct Explore {
    shell: Shell,
    query: String,
    may_sql: bool,
    needs_token: bool,
}

/// The page at `/explore`; `query` is a PromQL expression to start with.
pub(super) async fn explore(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, ApiError> {
    params.only(&["query"])?;
    render(&Explore {
        shell: Shell::new(&state, &caller, "Explore", "/explore"),
        query: params.get("query").unwrap_or_default().to_owned(),
        may_sql: caller.require(Scope::Sql).is_ok(),
        needs_token: state.auth.is_required(),
    })
}
