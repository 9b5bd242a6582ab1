//! The route `POST /v1/sql`.

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

/// Header with whether rows were cut off: not every encoding can contain it.
const TRUNCATED: HeaderName = HeaderName::from_static("x-almanac-truncated");

/// A statement with its parameters and limits.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlRequest {
    /// One SELECT or EXPLAIN statement.
    #[schema(example = "SELECT name, count(*) AS n FROM series GROUP BY name ORDER BY n DESC LIMIT 5")]
    sql: String,
    /// Values for `?` or `$1`: null, booleans, numbers, strings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    params: Vec<Value>,
    /// Maximum number of rows, up to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    /// Timeout in milliseconds, up to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

/// The result as JSON.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SqlBody {
    /// Column names.
    columns: Vec<String>,
    /// Column types, as named by `DuckDB`.
    types: Vec<String>,
    /// One list of values per row.
    rows: Vec<Vec<Value>>,
    /// Whether rows were cut off by a limit.
    truncated: bool,
}

impl SqlRequest {
    /// Converts the JSON values; arrays and objects are rejected.
    fn params(&self) -> Result<Vec<SqlParam>, ApiError> {
        let wrong = |idx: usize, value: &Value| {
            let message = format!("params[{idx}] {value} is not null, a boolean, a number or a string");
            ApiError::bad_request("invalid_parameter", message)
        };
        self.params
            .iter()
            .enumerate()
            .map(|(idx, value)| match value {
                Value::Null => Ok(SqlParam::Null),
                Value::Bool(bool) => Ok(SqlParam::Bool(*bool)),
                Value::String(text) => Ok(SqlParam::Text(text.clone())),
                // Integers beyond the range of `i64` become floating-point numbers.
                Value::Number(number) => number
                    .as_i64()
                    .map(SqlParam::Int)
                    .or_else(|| number.as_f64().map(SqlParam::Float))
                    .ok_or_else(|| wrong(idx, value)),
                Value::Array(_) | Value::Object(_) => Err(wrong(idx, value)),
            })
            .collect()
    }

    /// Returns the limits: a request may lower the default deadline but not raise it.
    fn limits(&self) -> SqlLimits {
        let defaults = SqlLimits::default();
        SqlLimits {
            deadline: self
                .timeout_ms
                .map_or(defaults.deadline, |ms| defaults.deadline.min(Duration::from_millis(ms.max(1)))),
            rows: self.limit.map_or(defaults.rows, |rows| rows.min(1_000_000)),
            bytes: defaults.bytes,
        }
    }
}

/// Runs one read-only statement.
///
/// `Accept` selects the encoding: `application/json`, `text/csv`, `application/x-ndjson` or
/// `application/vnd.apache.arrow.stream`. In JSON and NDJSON, NaN and infinities are the strings "NaN", "Infinity" and
/// "-Infinity". The header `x-almanac-truncated` is `true` if rows were cut off.
#[utoipa::path(post, path = "/v1/sql", tag = "analysts", request_body = SqlRequest,
    responses((status = 200, description = "the rows", body = SqlBody),
        (status = 400, description = "invalid statement or parameter", body = ErrorBody),
        (status = 403, description = "the statement is not read-only, or reads something that is not allowed", body = ErrorBody),
        (status = 406, description = "no supported encoding in Accept", body = ErrorBody),
        (status = 422, description = "the statement exceeded the deadline or another limit", body = ErrorBody),
        (status = 429, description = "too many statements are waiting", body = ErrorBody)))]
pub(super) async fn sql(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(request): Json<SqlRequest>,
) -> Result<Response, ApiError> {
    let encoding = accepted(&headers)?;
    let (params, limits) = (request.params()?, request.limits());
    let runner = state.clone();
    let (body, truncated) = state
        .blocking(move || {
            let answer = runner.run_sql(&request.sql, &params, limits)?;
            let mut body = Vec::new();
            encode(&answer, encoding, &mut body).map_err(|error| ApiError::internal(&error))?;
            Ok::<_, ApiError>((body, answer.truncated))
        })
        .await?;
    let truncated = HeaderValue::from_static(if truncated { "true" } else { "false" });
    let kind = HeaderValue::from_static(encoding.media_type());
    Ok(([(CONTENT_TYPE, kind), (TRUNCATED, truncated)], body).into_response())
}

/// Returns the first supported encoding in `Accept`, whatever its quality value; JSON without the header.
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
                    "Accept {accept:?} has no supported media type; use application/json, text/csv, application/x-ndjson or \
                     application/vnd.apache.arrow.stream"
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_supported_encoding_is_used() {
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
