//! The route for statements.

use std::time::Duration;

use almanac_engine::store::{SqlLimits, SqlParam};
use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Encoding, encode};
use crate::http::{ApiError, AppState, ErrorBody};

/// Whether rows were cut off, for the forms of answer that have no place for it.
const TRUNCATED: HeaderName = HeaderName::from_static("x-almanac-truncated");

/// One statement.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlRequest {
    /// One SELECT or EXPLAIN.
    #[schema(example = "SELECT name, count(*) AS n FROM series GROUP BY name ORDER BY n DESC LIMIT 5")]
    sql: String,
    /// Values for `?` or `$1`: null, true, numbers, texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    params: Vec<Value>,
    /// Most rows of the answer; at most 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    /// Milliseconds until the statement is stopped; at most 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

/// The answer as JSON.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SqlBody {
    /// Names of the columns.
    columns: Vec<String>,
    /// Their types in `DuckDB`'s words.
    types: Vec<String>,
    /// One list of values a row.
    rows: Vec<Vec<Value>>,
    /// Whether rows were cut off by a limit.
    truncated: bool,
}

impl SqlRequest {
    fn params(&self) -> Result<Vec<SqlParam>, ApiError> {
        let wrong = |idx: usize, value: &Value| {
            let message = format!("params[{idx}] {value} is no null, boolean, number or text");
            ApiError::bad_request("invalid_parameter", message)
        };
        self.params
            .iter()
            .enumerate()
            .map(|(idx, value)| match value {
                Value::Null => Ok(SqlParam::Null),
                Value::Bool(bool) => Ok(SqlParam::Bool(*bool)),
                Value::String(text) => Ok(SqlParam::Text(text.clone())),
                Value::Number(number) => number
                    .as_i64()
                    .map(SqlParam::Int)
                    .or_else(|| number.as_f64().map(SqlParam::Float))
                    .ok_or_else(|| wrong(idx, value)),
                Value::Array(_) | Value::Object(_) => Err(wrong(idx, value)),
            })
            .collect()
    }

    fn limits(&self) -> SqlLimits {
        let usual = SqlLimits::default();
        SqlLimits {
            deadline: self.timeout_ms.map_or(usual.deadline, |ms| usual.deadline.min(Duration::from_millis(ms.max(1)))),
            rows: self.limit.map_or(usual.rows, |rows| rows.min(1_000_000)),
            bytes: usual.bytes,
        }
    }
}

/// Answers one read-only statement.
///
/// `Accept` chooses the form: `application/json`, `text/csv`, `application/x-ndjson` or
/// `application/vnd.apache.arrow.stream`. NaN and infinities, for which JSON has no numbers, are the texts "NaN", "Infinity" and "-Infinity" in JSON and NDJSON.
/// The header `x-almanac-truncated` says whether rows were cut off.
#[utoipa::path(post, path = "/v1/sql", tag = "analysts", request_body = SqlRequest,
    responses((status = 200, description = "the rows", body = SqlBody),
        (status = 400, description = "no such statement", body = ErrorBody),
        (status = 403, description = "a statement that does more than read, or reads what is closed", body = ErrorBody),
        (status = 406, description = "none of the forms asked for", body = ErrorBody),
        (status = 422, description = "past the deadline or too large for the limits", body = ErrorBody),
        (status = 429, description = "as many as may are waiting already", body = ErrorBody)))]
pub(super) async fn sql(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(request): Json<SqlRequest>,
) -> Result<Response, ApiError> {
    let encoding = accepted(&headers)?;
    let (params, limits) = (request.params()?, request.limits());
    let store = state.store.clone();
    let (body, truncated) = state
        .blocking(move || {
            let answer = store.analyst_sql(&request.sql, &params, limits)?;
            let mut body = Vec::new();
            encode(&answer, encoding, &mut body).map_err(|error| ApiError::internal(&error))?;
            Ok::<_, ApiError>((body, answer.truncated))
        })
        .await?;
    let truncated = HeaderValue::from_static(if truncated { "true" } else { "false" });
    let kind = HeaderValue::from_static(encoding.media_type());
    Ok(([(CONTENT_TYPE, kind), (TRUNCATED, truncated)], body).into_response())
}

/// The first form asked for that there is; JSON when nothing is asked for.
fn accepted(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let Some(accept) = headers.get(ACCEPT) else { return Ok(Encoding::Json) };
    let accept = String::from_utf8_lossy(accept.as_bytes()).to_lowercase();
    accept
        .split(',')
        .filter_map(|range| match range.split(';').next().unwrap_or_default().trim() {
            "" | "*/*" | "application/*" | "application/json" => Some(Encoding::Json),
            "text/csv" | "text/*" => Some(Encoding::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Encoding::NdJson),
            "application/vnd.apache.arrow.stream" => Some(Encoding::Arrow),
            _ => None,
        })
        .next()
        .ok_or_else(|| {
            ApiError::new(
                StatusCode::NOT_ACCEPTABLE,
                "not_acceptable",
                format!(
                    "there is no answer as {accept:?}; there are application/json, text/csv, application/x-ndjson, \
                     application/vnd.apache.arrow.stream"
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_form_is_taken() {
        let check = |accept: Option<&str>, expected: Option<Encoding>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(accepted(&headers).ok(), expected, "{accept:?}");
        };
        check(None, Some(Encoding::Json));
        check(Some("*/*"), Some(Encoding::Json));
        check(Some("application/json;q=0.9,text/plain"), Some(Encoding::Json));
        check(Some("text/csv; charset=utf-8"), Some(Encoding::Csv));
        check(Some("application/x-ndjson"), Some(Encoding::NdJson));
        check(Some("application/vnd.apache.arrow.stream"), Some(Encoding::Arrow));
        check(Some("image/png"), None);
    }
}
