use regex::Regex;

use super::Labels;

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

/// A pattern that is no regular expression.
#[derive(Debug, Clone, thiserror::Error)]
#[error("label matcher pattern {pattern:?} is not a regular expression")]
pub struct MatcherError {
    /// The pattern as written.
    pub pattern: String,
    /// What the regular-expression library says of it.
    #[source]
    pub source: regex::Error,
}

/// A condition on one label; a label that a series lacks has the empty value, as in Prometheus.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// A matcher; patterns are anchored at both ends and `.` matches newlines, as in Prometheus.
    ///
    /// # Errors
    /// [`MatcherError`] when `op` wants a pattern and `value` is none.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatcherError> {
        let value = value.into();
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(
                Regex::new(&format!("^(?s:{value})$"))
                    .map_err(|source| MatcherError { pattern: value.clone(), source })?,
            ),
        };
        Ok(Self { name: name.into(), op, value, regex })
    }

    /// `name="value"`.
    #[must_use]
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
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
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            (MatchOp::Equal | MatchOp::Regex | MatchOp::NotRegex, _) => value == self.value,
        }
    }

    /// Whether a series with these labels satisfies the matcher.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or(""))
    }
}
