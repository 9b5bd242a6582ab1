//! Parser of Prometheus text and OpenMetrics: each line gives at most one sample.
//!
//! Existing crates with a permissive licence build a tree of owned strings per page and do not support quoted (UTF-8)
//! names. A scraper reads the same series repeatedly and needs only their text and the value. Formats:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>. As in Prometheus, `_total`, `_created`, `_bucket` and the
//! like are separate series.

mod error;
mod float;
mod line;
mod parser;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use error::{TextError, TextProblem};
pub use parser::{Dialect, TextParser, TextSample};

/// An exemplar of a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PageExemplar {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
    /// Epoch milliseconds, if it has a time of its own.
    pub(crate) timestamp_ms: Option<i64>,
}

/// Parses an exemplar `{trace_id="x"} 0.67 1520879607.789`; `None` if the text is anything else.
pub(in crate::ingest) fn exemplar(text: &str) -> Option<PageExemplar> {
    let end = line::end_of_labels(text)?;
    let labels = label_set(&text[..end])?.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
    let mut words = text[end..].split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    let timestamp_ms = match words.next() {
        Some(stamp) => Some(parser::seconds(stamp)?),
        None => None,
    };
    words.next().is_none().then(|| PageExemplar { labels: labels.collect(), value, timestamp_ms })
}

/// Parses a series `name{label="value",…}`; `None` if the text is anything else.
pub(in crate::ingest) fn selector(text: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let mut pairs = Vec::new();
    let rest = line::series(text, |name, value| pairs.push((name, value))).ok()?;
    rest.trim().is_empty().then_some(pairs)
}

/// Parses a label set `{label="value",…}`, with or without a metric name; `None` if the text is anything else.
pub(in crate::ingest) fn label_set(text: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let mut pairs = Vec::new();
    match line::series(text, |name, value| pairs.push((name, value))) {
        Ok(rest) => rest.trim().is_empty().then_some(pairs),
        // The missing name is detected last, after all labels were visited.
        Err(TextProblem::NoName) if text.trim_end().ends_with('}') => Some(pairs),
        Err(_) => None,
    }
}
