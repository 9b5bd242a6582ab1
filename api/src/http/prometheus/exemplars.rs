//! `/api/v1/query_exemplars`: exemplars of the series of an expression. None are kept, so that the list is empty.

use almanac_engine::signal;
use axum::{extract::State, response::Response};

use super::{
    answer::{PromError, Remarks, signal_error, success},
    parameters::instant_of,
    query::expression,
};
use crate::http::{ApiError, AppState, Lane, Params};

/// Lists the exemplars of the series of an expression: none, because exemplars are not stored.
///
/// Parameters: `query`, `start`, `end`.
#[utoipa::path(get, path = "/api/v1/query_exemplars", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL expression"), ("start" = Option<String>, Query, description = "start of the span: Unix seconds or RFC 3339"), ("end" = Option<String>, Query, description = "end of the span: Unix seconds or RFC 3339")),
    responses((status = 200, description = "an empty list"), (status = 400, description = "invalid parameter or expression")))]
pub(super) async fn query_exemplars(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let (start, end) = (instant_of(&params, "start")?, instant_of(&params, "end")?);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        return Err(PromError::bad_data("invalid parameter \"end\": end timestamp must not be before start time"));
    }
    let text = expression(&params)?;
    let promql = state.config.promql.clone();
    let work = move || {
        let query = signal::parse(&text).map_err(|error| signal_error(&error))?;
        promql.permit(&query).map_err(PromError::bad_data)
    };
    state.run(Lane::Light, move || Ok::<_, ApiError>(work())).await??;
    Ok(success(b"[]", &Remarks::default()))
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query_exemplars", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_exemplars_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query_exemplars(state, params).await
}
