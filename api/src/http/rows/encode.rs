//! Encodes rows as JSON or CSV, and sets the header that marks a truncated response.

use almanac_engine::store::rows::TableRow;
use axum::{
    http::{HeaderName, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use super::flat;
use crate::http::{ApiError, Params};

/// Maximum number of rows when the request has no limit.
const DEFAULT_LIMIT: usize = 100_000;
/// Largest limit that a request may set.
const MAX_LIMIT: usize = 1_000_000;
/// Header with whether rows were cut off.
const TRUNCATED: HeaderName = HeaderName::from_static("x-almanac-truncated");

/// A row type that serialises to an object with fixed keys.
pub(super) trait FlatRow: Serialize {
    /// The keys, in the order of serialisation.
    const COLUMNS: &'static [&'static str];
}

/// Encoding of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Format {
    Json,
    Csv,
}

impl Format {
    /// Returns the encoding by the parameter `format`, else by `Accept`, else JSON.
    ///
    /// # Errors
    /// 400 `invalid_parameter`.
    pub(in crate::http) fn of(params: &Params) -> Result<Self, ApiError> {
        match params.get("format") {
            None if params.prefers_csv() => Ok(Self::Csv),
            None | Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(other) => {
                let message = format!("format {other:?} is neither json nor csv");
                Err(ApiError::bad_request("invalid_parameter", message))
            }
        }
    }
}

/// Returns the parameter `limit`, or the default.
///
/// # Errors
/// 400 `invalid_parameter`.
pub(super) fn limit(params: &Params) -> Result<usize, ApiError> {
    match params.number("limit")? {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => {
            let message = format!("limit {limit} is not between 1 and {MAX_LIMIT}");
            Err(ApiError::bad_request("invalid_parameter", message))
        }
    }
}

/// Which rows remain when there are more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Keep {
    /// The first ones.
    First,
    /// The last ones: the newest, if rows are sorted by time.
    Last,
}

/// Responds with at most `limit` rows.
///
/// # Errors
/// 500 when a row cannot be encoded.
pub(super) fn respond<R: FlatRow>(
    mut rows: Vec<R>,
    limit: usize,
    keep: Keep,
    format: Format,
) -> Result<Response, ApiError> {
    let truncated = cut(&mut rows, limit, keep);
    let body = match format {
        Format::Json => serde_json::to_vec(&rows).map_err(|error| ApiError::internal(&error))?,
        Format::Csv => {
            let objects = rows
                .iter()
                .map(serde_json::to_value)
                .collect::<Result<Vec<Value>, _>>()
                .map_err(|error| ApiError::internal(&error))?;
            csv(R::COLUMNS, &objects).map_err(|error| ApiError::internal(&error))?
        }
    };
    Ok(answer(body, format, truncated))
}

/// Responds with at most `limit` rows of a table of the store.
///
/// # Errors
/// 500 when a row cannot be encoded.
pub(in crate::http) fn respond_rows<R: TableRow>(
    mut rows: Vec<R>,
    limit: usize,
    keep: Keep,
    format: Format,
) -> Result<Response, ApiError> {
    let truncated = cut(&mut rows, limit, keep);
    let objects: Vec<Value> = rows.iter().map(flat::object).collect();
    let body = match format {
        Format::Json => serde_json::to_vec(&objects).map_err(|error| ApiError::internal(&error))?,
        Format::Csv => csv(&flat::keys(R::TABLE), &objects).map_err(|error| ApiError::internal(&error))?,
    };
    Ok(answer(body, format, truncated))
}

/// Drops rows beyond the limit; returns whether there were any.
fn cut<R>(rows: &mut Vec<R>, limit: usize, keep: Keep) -> bool {
    let truncated = rows.len() > limit;
    match keep {
        Keep::First => rows.truncate(limit),
        Keep::Last => drop(rows.drain(..rows.len().saturating_sub(limit))),
    }
    truncated
}

/// Responds with rows that are JSON objects already.
///
/// # Errors
/// 500 when a row cannot be encoded.
pub(super) fn respond_objects(columns: &[String], rows: &[Value], format: Format) -> Result<Response, ApiError> {
    let body = match format {
        Format::Json => serde_json::to_vec(rows).map_err(|error| ApiError::internal(&error))?,
        Format::Csv => csv(columns, rows).map_err(|error| ApiError::internal(&error))?,
    };
    Ok(answer(body, format, false))
}

fn answer(body: Vec<u8>, format: Format, truncated: bool) -> Response {
    let kind = match format {
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
    };
    let truncated = HeaderValue::from_static(if truncated { "true" } else { "false" });
    ([(CONTENT_TYPE, HeaderValue::from_static(kind)), (TRUNCATED, truncated)], body).into_response()
}

fn csv<C: AsRef<str>>(columns: &[C], rows: &[Value]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(AsRef::as_ref))?;
    for row in rows {
        for column in columns {
            match &row[column.as_ref()] {
                Value::Null => writer.write_field("")?,
                Value::String(text) => writer.write_field(text)?,
                other => writer.write_field(other.to_string())?,
            }
        }
        // Ends the row.
        writer.write_record(None::<&[u8]>)?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}
