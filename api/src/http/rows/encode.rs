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

use super::{flat, format::Format, page::Extent};
use crate::http::{
    ApiError, Reserved,
    shared::{body_of, parts_of},
};

/// Header with whether rows were cut off.
const TRUNCATED: HeaderName = HeaderName::from_static("x-almanac-truncated");

/// A row type that serialises to an object with fixed keys.
pub(super) trait FlatRow: Serialize {
    /// The keys, in the order of serialisation.
    const COLUMNS: &'static [&'static str];
}

/// Which rows remain when there are more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Keep {
    /// The first ones.
    First,
    /// The last ones: the newest, if rows are sorted by time.
    Last,
}

/// Responds with the rows of this extent.
///
/// # Errors
/// 500 when a row cannot be encoded.
pub(super) fn respond<R: FlatRow>(
    mut rows: Vec<R>,
    extent: Extent,
    keep: Keep,
    format: Format,
) -> Result<Response, ApiError> {
    let truncated = cut(&mut rows, extent.limit, keep);
    let next = extent.page.map(|page| page.cut(&mut rows));
    let objects: Vec<Value> =
        rows.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(|error| ApiError::internal(&error))?;
    let columns = R::COLUMNS.iter().map(|&column| column.to_owned()).collect();
    let parts = parts(columns, objects, |object| object, format, next);
    Ok(answer(body_of(parts, Reserved::default()), format, truncated))
}

/// Responds with the rows of this extent, of a table of the store.
///
/// # Errors
/// 500 when a row cannot be encoded.
pub(in crate::http) fn respond_rows<R: TableRow + Send + 'static>(
    mut rows: Vec<R>,
    extent: Extent,
    keep: Keep,
    format: Format,
) -> Result<Response, ApiError> {
    let truncated = cut(&mut rows, extent.limit, keep);
    let next = extent.page.map(|page| page.cut(&mut rows));
    let parts = parts(flat::keys(R::TABLE), rows, |row| flat::object(&row), format, next);
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

/// Encodes rows in parts; each becomes an object only when its part is sent. `next`: cursor of the next page, with which
/// the JSON is an object of a page.
fn parts<R: Send + 'static>(
    columns: Vec<String>,
    rows: Vec<R>,
    object: impl Fn(R) -> Value + Send + 'static,
    format: Format,
    next: Option<String>,
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
            let (head, tail) = match next {
                Some(next) => ("{\"rows\":[", format!("],\"next\":{}}}", Value::from(next))),
                None => ("[", "]".to_owned()),
            };
            Box::new(iter::once(head.into()).chain(rows).chain(iter::once(tail.into())))
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
