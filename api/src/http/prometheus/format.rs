//! `/api/v1/format_query` and `/api/v1/parse_query`: the normal form and the syntax tree of an expression.

use almanac_engine::signal::{self, Query, Tree, TreeValue};
use axum::{extract::State, response::Response};
use serde_json::{Map, Value, json};

use super::{
    answer::{PromError, Remarks, signal_error, success},
    query::expression,
};
use crate::http::{ApiError, AppState, Lane, Params};

/// Returns an expression in the normal form of Prometheus, on several lines if it is long.
///
/// Parameter: `query`.
#[utoipa::path(get, path = "/api/v1/format_query", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL expression")),
    responses((status = 200, description = "the formatted expression"), (status = 400, description = "invalid expression")))]
pub(super) async fn format_query(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    answered(&state, &params, |query| Value::String(query.formatted())).await
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/format_query", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn format_query_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    format_query(state, params).await
}

/// Returns the syntax tree of an expression.
///
/// Parameter: `query`.
#[utoipa::path(get, path = "/api/v1/parse_query", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL expression")),
    responses((status = 200, description = "the syntax tree as in Prometheus"), (status = 400, description = "invalid expression")))]
pub(super) async fn parse_query(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    answered(&state, &params, |query| tree(query.tree())).await
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/parse_query", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn parse_query_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    parse_query(state, params).await
}

/// Parses the parameter `query`, on a thread that may block, and responds with what `of` makes of it.
async fn answered(
    state: &AppState,
    params: &Params,
    of: impl FnOnce(&Query) -> Value + Send + 'static,
) -> Result<Response, PromError> {
    let text = expression(params)?;
    let promql = state.config.promql.clone();
    let work = move || {
        let query = signal::parse(&text).map_err(|error| signal_error(&error))?;
        promql.permit(&query).map_err(PromError::bad_data)?;
        Ok::<_, PromError>(of(&query).to_string())
    };
    let data = state.run(Lane::Light, move || Ok::<_, ApiError>(work())).await??;
    Ok(success(data.as_bytes(), &Remarks::default()))
}

/// Returns a node of a syntax tree as JSON.
fn tree(Tree(fields): Tree) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), field(value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn field(value: TreeValue) -> Value {
    match value {
        TreeValue::None => Value::Null,
        TreeValue::Flag(flag) => json!(flag),
        TreeValue::Integer(number) => json!(number),
        TreeValue::Number(number) => json!(number),
        TreeValue::Text(text) => Value::String(text),
        TreeValue::Node(node) => tree(node),
        TreeValue::List(items) => items.into_iter().map(field).collect(),
    }
}
