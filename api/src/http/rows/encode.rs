//! Encodes rows as JSON or CSV, and sets the header that marks a truncated response.

use std::iter;

use almanac_engine::store::rows::TableRow;
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use super::flat;
use crate::http::{
    ApiError, Params, Reserved,
    shared::{body_of, parts_of},
};

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
    let objects: Vec<Value> =
        rows.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(|error| ApiError::internal(&error))?;
    let columns = R::COLUMNS.iter().map(|&column| column.to_owned()).collect();
    Ok(answer(body_of(parts(columns, objects, |object| object, format), Reserved::default()), format, truncated))
}

/// Responds with at most `limit` rows of a table of the store.
///
/// # Errors
/// 500 when a row cannot be encoded.
pub(in crate::http) fn respond_rows<R: TableRow + Send + 'static>(
    mut rows: Vec<R>,
    limit: usize,
    keep: Keep,
    format: Format,
) -> Result<Response, ApiError> {
    let truncated = cut(&mut rows, limit, keep);
    let parts = parts(flat::keys(R::TABLE), rows, |row| flat::object(&row), format);
    Ok(answer(body_of(parts, Reserved::default()), format, truncated))
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

/// Responds with a body of encoded rows.
pub(super) fn answer(body: Body, format: Format, truncated: bool) -> Response {
    let kind = match format {
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
    };
    let truncated = HeaderValue::from_static(if truncated { "true" } else { "false" });
    ([(CONTENT_TYPE, HeaderValue::from_static(kind)), (TRUNCATED, truncated)], body).into_response()
}

/// Encodes rows in parts; each becomes an object only when its part is sent.
fn parts<R: Send + 'static>(
    columns: Vec<String>,
    rows: Vec<R>,
    object: impl Fn(R) -> Value + Send + 'static,
    format: Format,
) -> Box<dyn Iterator<Item = Vec<u8>> + Send> {
    match format {
        Format::Json => {
            let rows = parts_of(rows, move |number, row, out| {
                if number > 0 {
                    out.push(b',');
                }
                // Writing an object to a `Vec` cannot fail.
                let _ = serde_json::to_writer(out, &object(row));
            });
            Box::new(iter::once(b"[".to_vec()).chain(rows).chain(iter::once(b"]".to_vec())))
        }
        Format::Csv => {
            let head = record(columns.iter().map(String::as_str));
            let rows = parts_of(rows, move |_, row, out| {
                let object = object(row);
                let cells = columns.iter().map(|column| match &object[column.as_str()] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                out.extend(record(cells));
            });
            Box::new(iter::once(head).chain(rows))
        }
    }
}

/// Returns one line of CSV.
pub(super) fn record<T: AsRef<[u8]>>(cells: impl Iterator<Item = T>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 10).from_writer(Vec::new());
    // Writing to a `Vec` cannot fail, and a writer without a header accepts any number of cells.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}
