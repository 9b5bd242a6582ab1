//! Parsed expressions: the public type, and the entry point of the parser.

use std::{borrow::Cow, sync::Arc};

use super::{DurationNode, Node, QuerySpan, Tree, syntax, text, tree};
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher},
    signal::{Feature, SignalError, ValueKind},
};

/// A parsed expression; cloning is cheap.
#[derive(Debug, Clone)]
pub struct Query {
    text: Arc<str>,
    root: Arc<Node>,
    selectors: usize,
    /// Whether a duration depends on the step or the range of the query.
    has_open_durations: bool,
    /// Experimental constructs: their feature and their name.
    features: Arc<[(Feature, String)]>,
}

impl Query {
    /// Returns the expression as written. Of a part of a query it returns the text of the whole query.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the expression in the normal form of Prometheus: on one line, or on several if it is longer than 100 bytes.
    #[must_use]
    pub fn formatted(&self) -> String {
        text::lines(self.root(), 0)
    }

    /// Returns the expression on one line.
    #[must_use]
    pub fn on_one_line(&self) -> String {
        text::line(self.root())
    }

    /// Returns the syntax tree of the expression.
    #[must_use]
    pub fn tree(&self) -> Tree {
        tree::of(self.root())
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
        let Node::Select(selector) = self.root().unwrapped() else { return None };
        selector
            .matchers
            .iter()
            .find(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal)
            .map(Matcher::value)
    }

    /// Returns the matchers of the selector if the expression is a single instant selector without modifiers.
    #[must_use]
    pub fn plain_selector(&self) -> Option<&[Matcher]> {
        match self.root() {
            Node::Select(selector) if selector.is_plain() => Some(&selector.matchers),
            _ => None,
        }
    }

    /// Returns the experimental constructs in the order written: the feature that permits each, and its name.
    pub fn experimental(&self) -> impl Iterator<Item = (Feature, &str)> {
        self.features.iter().map(|(feature, name)| (*feature, name.as_str()))
    }

    /// Returns the query with the values of all durations, for this step and range in milliseconds.
    ///
    /// # Errors
    /// [`SignalError::Argument`] for a duration that is not positive or out of range.
    pub(in crate::signal) fn resolved(&self, step_ms: i64, range_ms: i64) -> Result<Cow<'_, Self>, SignalError> {
        if !self.has_open_durations {
            return Ok(Cow::Borrowed(self));
        }
        #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
        let span = QuerySpan { step: step_ms as f64 / 1000.0, range: range_ms as f64 / 1000.0 };
        let mut root = self.root().clone();
        resolve(&mut root, span)?;
        Ok(Cow::Owned(self.part(&root)))
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
        Self { root: Arc::new(node.clone()), ..self.clone() }
    }
}

/// Parses a PromQL expression.
///
/// ```
/// use almanac_engine::signal::{ValueKind, parse};
///
/// let query = parse("sum by (path) (rate(http_requests_total[5m]))").expect("valid PromQL");
/// assert_eq!(query.kind(), ValueKind::Vector);
/// assert!(parse("rate(up)").unwrap_err().to_string().contains("up[5m]"));
/// ```
///
/// # Errors
/// [`SignalError::Parse`] with the position if the text is not PromQL, [`SignalError::TooDeep`] if it is nested too
/// deeply.
pub fn parse(expr: &str) -> Result<Query, SignalError> {
    let parsed = syntax::parse(expr)?;
    Ok(Query {
        text: expr.into(),
        root: Arc::new(parsed.root),
        selectors: parsed.selectors,
        has_open_durations: parsed.has_open_durations,
        features: parsed.features.into(),
    })
}

/// Computes the durations that are expressions.
fn resolve(node: &mut Node, span: QuerySpan) -> Result<(), SignalError> {
    let value = |duration: &Option<Box<DurationNode>>, any_sign: bool| match duration {
        None => Ok(None),
        Some(duration) => duration
            .milliseconds(span, any_sign)
            .map(Some)
            .map_err(|message| SignalError::Argument { function: "duration", message }),
    };
    let shifted = match node {
        Node::Select(selector) => Some((&selector.offset, &mut selector.shift)),
        Node::Range(range) => {
            range.range_ms = value(&range.range, false)?.unwrap_or(range.range_ms);
            Some((&range.selector.offset, &mut range.selector.shift))
        }
        Node::Subquery(subquery) => {
            subquery.range_ms = value(&subquery.range, false)?.unwrap_or(subquery.range_ms);
            subquery.step_ms = value(&subquery.step, false)?.or(subquery.step_ms);
            Some((&subquery.offset, &mut subquery.shift))
        }
        _ => None,
    };
    if let Some((offset, shift)) = shifted
        && let Some(offset_ms) = value(offset, true)?
    {
        shift.offset_ms = offset_ms;
    }
    node.children_mut().into_iter().try_for_each(|child| resolve(child, span))
}

/// Collects the matchers of the selectors below `node`.
fn collect<'a>(node: &'a Node, found: &mut Vec<&'a [Matcher]>) {
    match node {
        Node::Select(selector) => found.push(&selector.matchers),
        Node::Range(range) => found.push(&range.selector.matchers),
        other => other.children().into_iter().for_each(|child| collect(child, found)),
    }
}
