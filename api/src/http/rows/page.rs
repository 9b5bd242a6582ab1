//! Pages of rows: `page=N` answers an object with at most N rows and the cursor of the next page, for clients that read
//! by cursor, such as Grafana's Infinity data source.

use utoipa::IntoParams;

use super::format::Format;
use crate::http::{ApiError, Params};

/// Maximum number of rows when the request has no limit.
const DEFAULT_LIMIT: usize = 100_000;
/// Largest limit that a request may set, and largest number of rows over all pages.
const MAX_LIMIT: usize = 1_000_000;

/// Parameters of a page; only used in the OpenAPI description.
#[derive(Debug, IntoParams)]
#[expect(dead_code, reason = "describes parameters that Params reads")]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PageParams {
    /// Number of rows of a page: the response is an object with the rows and `next`, the cursor of the next page, which
    /// is empty on the last one.
    page: Option<usize>,
    /// `next` of the page before.
    cursor: Option<usize>,
}

/// Rows from a cursor on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Page {
    size: usize,
    first: usize,
}

impl Page {
    /// Parses `page` and `cursor`; `None` without them.
    ///
    /// # Errors
    /// 400 `invalid_parameter`.
    pub(in crate::http) fn of(params: &Params) -> Result<Option<Self>, ApiError> {
        let wrong = |message: String| Err(ApiError::bad_request("invalid_parameter", message));
        let first = params.number("cursor")?;
        match params.number("page")? {
            None if first.is_some() => wrong("cursor requires page, the number of rows of a page".to_owned()),
            None => Ok(None),
            Some(size) if !(1..=MAX_LIMIT).contains(&size) => {
                wrong(format!("page {size} is not between 1 and {MAX_LIMIT}"))
            }
            Some(_) if params.get("limit").is_some() => wrong("page and limit exclude each other".to_owned()),
            Some(_) if Format::of(params)? == Format::Csv => wrong("pages are JSON; leave page or CSV out".to_owned()),
            Some(size) => Ok(Some(Self { size, first: first.unwrap_or(0) })),
        }
    }

    /// Keeps the rows of the page, and returns the cursor of the next one; empty on the last page.
    pub(in crate::http) fn cut<R>(self, rows: &mut Vec<R>) -> String {
        let end = self.first.saturating_add(self.size);
        let next = if end < rows.len() { end.to_string() } else { String::new() };
        rows.truncate(end);
        drop(rows.drain(..self.first.min(rows.len())));
        next
    }
}

/// How many rows a request wants: up to a limit, or a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Extent {
    /// Largest number of rows, over all pages.
    pub(super) limit: usize,
    /// Page of these rows.
    pub(super) page: Option<Page>,
}

impl Extent {
    /// All rows.
    pub(in crate::http) const ALL: Self = Self { limit: usize::MAX, page: None };

    /// Parses `limit`, or `page` and `cursor`.
    ///
    /// # Errors
    /// 400 `invalid_parameter`.
    pub(super) fn of(params: &Params) -> Result<Self, ApiError> {
        Ok(match Page::of(params)? {
            // Without another limit, so that every page is cut from the same rows.
            Some(page) => Self { limit: MAX_LIMIT, page: Some(page) },
            None => Self { limit: Self::limit_of(params)?, page: None },
        })
    }

    /// Parses `limit`; the default without it.
    ///
    /// # Errors
    /// 400 `invalid_parameter`.
    pub(super) fn limit_of(params: &Params) -> Result<usize, ApiError> {
        match params.number("limit")? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            Some(limit) => {
                let message = format!("limit {limit} is not between 1 and {MAX_LIMIT}");
                Err(ApiError::bad_request("invalid_parameter", message))
            }
        }
    }

    /// Returns the number of rows to read: one more than the limit shows whether rows are cut off.
    pub(super) fn to_read(self) -> usize {
        self.limit.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_every_row_once() {
        let (mut read, mut cursor) = (Vec::new(), String::new());
        for _ in 0..4 {
            let mut rows: Vec<u32> = (0..7).collect();
            let query = format!("page=2&cursor={cursor}");
            let page = Page::of(&Params::parse(query.as_bytes())).unwrap().unwrap();
            cursor = page.cut(&mut rows);
            read.extend(rows);
        }
        assert_eq!((read, cursor.as_str()), ((0..7).collect::<Vec<_>>(), ""));
        let (mut rows, beyond) = (vec![1], Page { size: 5, first: 9 });
        assert_eq!((beyond.cut(&mut rows).as_str(), rows.len()), ("", 0));
    }

    #[test]
    fn invalid_pages_are_rejected() {
        for query in ["page=0", "page=x", "cursor=1", "page=5&limit=5", "page=5&format=csv", "page=5&cursor=-1"] {
            let error = Extent::of(&Params::parse(query.as_bytes())).unwrap_err();
            assert_eq!(error.code(), "invalid_parameter", "{query}");
        }
        assert_eq!(Extent::of(&Params::parse(b"limit=5")).unwrap(), Extent { limit: 5, page: None });
    }
}
