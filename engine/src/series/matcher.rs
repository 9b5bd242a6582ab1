//! Label matchers, as selectors and ad-hoc filters use them.

use std::sync::Arc;

use super::{Labels, Pattern, PatternError, pattern::shortened};

/// How a matcher compares a label's value with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Regex,
    /// `!~`, anchored at both ends
    NotRegex,
}

/// A pattern that is no regular expression of RE2.
#[derive(Debug, Clone, thiserror::Error)]
#[error("label {name:?} is matched by {:?}, which is not a regular expression", shortened(pattern))]
pub struct MatcherError {
    /// The label's name.
    pub name: String,
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong with it.
    #[source]
    pub source: PatternError,
}

/// A condition on one label; a label that a series lacks has the empty value, as in Prometheus.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Arc<Pattern>>,
}

impl Matcher {
    /// A matcher; patterns are RE2's, anchored at both ends, and `.` matches newlines, as in Prometheus.
    ///
    /// # Errors
    /// [`MatcherError`] when `op` needs a pattern and `value` is none.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => match Pattern::new(&value) {
                Ok(pattern) => Some(Arc::new(pattern)),
                Err(source) => return Err(MatcherError { name, pattern: value, source }),
            },
        };
        Ok(Self { name, op, value, pattern })
    }

    /// `name="value"`.
    #[must_use]
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The comparison.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or pattern as written.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value satisfies the matcher; an absent label has the value "".
    #[must_use]
    pub fn matches_value(&self, value: &str) -> bool {
        match (self.op, &self.pattern) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(pattern)) => pattern.is_match(value),
            (MatchOp::NotRegex, Some(pattern)) => !pattern.is_match(value),
            (MatchOp::Equal | MatchOp::Regex | MatchOp::NotRegex, _) => value == self.value,
        }
    }

    /// Whether a series with these labels satisfies the matcher.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or(""))
    }
}
