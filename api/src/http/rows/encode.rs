//! Encodes rows as JSON or CSV and marks an answer that was cut off.

use almanac_engine::store::rows::TableRow;
use axum::{
    http::{HeaderName, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use super::flat;
use crate::http::{ApiError, Params};

/// Most rows of an answer that names no limit.
const USUAL_LIMIT: usize = 100_000;
/// Most rows of any answer.
const MAX_LIMIT: usize = 1_000_000;
/// Whether rows were cut off.
const TRUNCATED: HeaderName = HeaderName::from_static("x-almanac-truncated");

/// A row whose keys are always the same.
pub(super) trait FlatRow: Serialize {
    /// The keys, in the order in which they are serialised.
    const COLUMNS: &'static [&'static str];
}

/// A form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Format {
    Json,
    Csv,
}

impl Format {
    /// What `format` asks for, or else `Accept`; JSON when neither names a form.
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

/// Most rows that the parameters ask for.
///
/// # Errors
/// 400 `invalid_parameter`.
pub(super) fn limit(params: &Params) -> Result<usize, ApiError> {
    match params.number("limit")? {
        None => Ok(USUAL_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => {
            let message = format!("limit {limit} is not between 1 and {MAX_LIMIT}");
            Err(ApiError::bad_request("invalid_parameter", message))
        }
    }
}

/// A finite number; JSON has no form for others.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Which rows go when there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Keep {
    First,
    /// The newest, of rows that ascend in time.
    Last,
}

/// Answers with at most `limit` rows.
///
/// # Errors
/// 500 when a row cannot be written.
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

/// Answers with at most `limit` rows of a described table.
///
/// # Errors
/// 500 when a row cannot be written.
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

/// Drops what is past the limit; answers whether anything was.
fn cut<R>(rows: &mut Vec<R>, limit: usize, keep: Keep) -> bool {
    let truncated = rows.len() > limit;
    match keep {
        Keep::First => rows.truncate(limit),
        Keep::Last => drop(rows.drain(..rows.len().saturating_sub(limit))),
    }
    truncated
}

/// Answers with rows that are objects already.
///
/// # Errors
/// 500 when a row cannot be written.
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
        writer.write_record(None::<&[u8]>)?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}
