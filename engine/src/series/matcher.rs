//! Label matchers of selectors and filters.

use std::sync::Arc;

use super::{Labels, Pattern, PatternError, pattern::shortened};

/// Comparison of a label's value with that of a matcher.
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

/// The error of a pattern that is not a regular expression of RE2.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the pattern {:?} of label {name:?} is not a regular expression", shortened(pattern))]
pub struct MatcherError {
    /// Name of the label.
    pub name: String,
    /// Pattern as written.
    pub pattern: String,
    /// The error in the pattern.
    #[source]
    pub source: PatternError,
}

/// A condition on one label. An absent label has the empty value, as in Prometheus.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    /// Set for `=~` and `!~`.
    pattern: Option<Arc<Pattern>>,
}

impl Matcher {
    /// Creates a matcher. Patterns are those of RE2, anchored at both ends; `.` matches newlines, as in Prometheus.
    ///
    /// # Errors
    /// [`MatcherError`] if `op` needs a pattern and `value` is not one.
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

    /// Creates the matcher `name="value"`.
    #[must_use]
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// Returns the name of the label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the comparison.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// Returns the value or pattern as written.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns whether a label with this value satisfies the matcher. The value of an absent label is "".
    #[must_use]
    pub fn matches_value(&self, value: &str) -> bool {
        match (self.op, &self.pattern) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(pattern)) => pattern.is_match(value),
            (MatchOp::NotRegex, Some(pattern)) => !pattern.is_match(value),
            (MatchOp::Equal | MatchOp::Regex | MatchOp::NotRegex, _) => value == self.value,
        }
    }

    /// Returns whether a series with these labels satisfies the matcher.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or(""))
    }
}
