use std::sync::Arc;

use super::{Node, guard, lower};
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
    /// The expression as written; of a part of a query, the whole query's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What kind of value it gives.
    #[must_use]
    pub fn kind(&self) -> ValueKind {
        self.root.kind()
    }

    /// The matchers of each selector, in the order written.
    #[must_use]
    pub fn selectors(&self) -> Vec<&[Matcher]> {
        let mut found = Vec::new();
        collect(&self.root, &mut found);
        found
    }

    /// The metric's name if the expression is one selector of a single metric and nothing else.
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

    /// How many selectors there are; their slots are below this number.
    pub(in crate::signal) fn selector_count(&self) -> usize {
        self.selectors
    }

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
/// [`SignalError::Parse`] when the text is no PromQL, [`SignalError::Unsupported`] with the name of
/// what is not evaluated here, [`SignalError::TooDeep`] when it is nested too deep.
pub fn parse(expr: &str) -> Result<Query, SignalError> {
    guard::check(expr)?;
    let invalid = |message: String| SignalError::Parse { expr: expr.to_owned(), message };
    // The grammar's actions panic on durations that no `Duration` holds (`a[1e300]`).
    let parsed = std::panic::catch_unwind(|| promql_parser::parser::parse(expr))
        .map_err(|_| invalid("a number or duration is out of range".to_owned()))?
        .map_err(|message| unknown_syntax(expr, &message).unwrap_or_else(|| invalid(message)))?;
    let lowered = lower::lower(expr, &parsed)?;
    Ok(Query { text: expr.into(), root: Arc::new(lowered.root), selectors: lowered.selectors })
}

/// Newer syntax that the parser does not know and reports as an error like any other.
fn unknown_syntax(expr: &str, message: &str) -> Option<SignalError> {
    let words = || expr.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let modifier = ["anchored", "smoothed"].into_iter().find(|modifier| words().any(|word| word == *modifier));
    let what = match modifier {
        Some(modifier) => format!("modifier {modifier}"),
        None if ["'('", "'+'", "'-'", "'*'", "'/'", "'%'", "'^'"]
            .iter()
            .any(|operator| message.ends_with(&format!("inside brackets: {operator}"))) =>
        {
            "arithmetic in a duration".to_owned()
        }
        None => return None,
    };
    Some(SignalError::Unsupported { what })
}

fn collect<'a>(node: &'a Node, found: &mut Vec<&'a [Matcher]>) {
    match node {
        Node::Select(selector) => found.push(&selector.matchers),
        Node::Range(range) => found.push(&range.selector.matchers),
        other => other.children().into_iter().for_each(|child| collect(child, found)),
    }
}
