//! Prometheus text and OpenMetrics: one line in, at most one sample out.
//!
//! Own parser because the permissively licensed ones build a tree of owned strings for each page and
//! do not know quoted (UTF-8) names; a scraper reads the same series again and again and needs only
//! their text and the value. Formats:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>. `_total`, `_created`, `_bucket` and kin
//! stay series of their own, as in Prometheus; exemplars are skipped.

mod error;
mod float;
mod line;
mod parser;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use error::{TextError, TextProblem};
pub use parser::{Dialect, TextParser, TextSample};

/// The labels of a series written as `name{label="value",…}`; `None` where the text is not wholly that.
pub(in crate::ingest) fn selector(text: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let mut pairs = Vec::new();
    let rest = line::series(text, |name, value| pairs.push((name, value))).ok()?;
    rest.trim().is_empty().then_some(pairs)
}

/// The labels of a set written as `{label="value",…}`, without a metric's name or with one; `None` where the text is not
/// wholly that.
pub(in crate::ingest) fn label_set(text: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let mut pairs = Vec::new();
    match line::series(text, |name, value| pairs.push((name, value))) {
        Ok(rest) => rest.trim().is_empty().then_some(pairs),
        // The labels were visited before the lack of a name was found.
        Err(TextProblem::NoName) if text.trim_end().ends_with('}') => Some(pairs),
        Err(_) => None,
    }
}
