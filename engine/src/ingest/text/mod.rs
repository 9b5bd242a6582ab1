//! Prometheus text and OpenMetrics: one line in, at most one sample out.
//!
//! Own parser because the permissively licensed ones build a tree of owned strings for each page and
//! do not know quoted (UTF-8) names; a scraper reads the same series again and again and needs only
//! their text and the value. Formats:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>. `_total`, `_created`, `_bucket` and kin
//! stay series of their own, as in Prometheus; exemplars are stepped over.

mod error;
mod line;
mod parser;

#[cfg(test)]
mod tests;

pub use error::{TextError, TextProblem};
pub use parser::{Dialect, TextParser, TextSample};
