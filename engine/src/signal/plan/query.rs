//! Parsed expressions: the public type, and the entry point of the parser.

use std::sync::Arc;

use super::{Node, syntax};
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher},
    signal::{SignalError, ValueKind},
};

/// A parsed expression; cloning is cheap.
#[derive(Debug, Clone)]
pub struct Query {
    text: Arc<str>,
    root: Arc<Node>,
    selectors: usize,
}

impl Query {
    /// Returns the expression as written. Of a part of a query it returns the text of the whole query.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the kind of the result.
    #[must_use]
    pub fn kind(&self) -> ValueKind {
        self.root.kind()
    }

    /// Returns the matchers of each selector, in the order written.
    #[must_use]
    pub fn selectors(&self) -> Vec<&[Matcher]> {
        let mut found = Vec::new();
        collect(&self.root, &mut found);
        found
    }

    /// Returns the metric name if the expression is a single instant selector of one metric.
    #[must_use]
    pub fn plain_metric(&self) -> Option<&str> {
        let Node::Select(selector) = self.root() else { return None };
        selector
            .matchers
            .iter()
            .find(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal)
            .map(Matcher::value)
    }

    pub(in crate::signal) fn root(&self) -> &Node {
        &self.root
    }

    /// Returns the number of selectors. Their slots are below it.
    pub(in crate::signal) fn selector_count(&self) -> usize {
        self.selectors
    }

    /// Returns a part of this query. It keeps the slots of its selectors, hence also their number.
    pub(super) fn part(&self, node: &Node) -> Self {
        Self { text: Arc::clone(&self.text), root: Arc::new(node.clone()), selectors: self.selectors }
    }
}

/// Parses a PromQL expression.
///
/// ```
/// use almanac_engine::signal::{ValueKind, parse};
///
/// let query = parse("sum by (path) (rate(http_requests_total[5m]))").expect("valid PromQL");
/// assert_eq!(query.kind(), ValueKind::Vector);
/// assert!(parse("info(up)").unwrap_err().to_string().contains("function info"));
/// ```
///
/// # Errors
/// [`SignalError::Parse`] with the position if the text is not PromQL, [`SignalError::Unsupported`] with the name of an
/// unsupported construct, [`SignalError::TooDeep`] if it is nested too deeply.
pub fn parse(expr: &str) -> Result<Query, SignalError> {
    let parsed = syntax::parse(expr)?;
    Ok(Query { text: expr.into(), root: Arc::new(parsed.root), selectors: parsed.selectors })
}

/// Collects the matchers of the selectors below `node`.
fn collect<'a>(node: &'a Node, found: &mut Vec<&'a [Matcher]>) {
    match node {
        Node::Select(selector) => found.push(&selector.matchers),
        Node::Range(range) => found.push(&range.selector.matchers),
        other => other.children().into_iter().for_each(|child| collect(child, found)),
    }
}
