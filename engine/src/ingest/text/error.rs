//! Errors of parsing Prometheus text.

/// Error of parsing Prometheus text, with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TextError {
    /// Line number, from 1.
    pub line: u64,
    /// Problem of the line.
    pub problem: TextProblem,
}

/// Problem of a line of Prometheus text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextProblem {
    /// The line is too long.
    #[error("the line has {bytes} bytes; the limit is {limit}")]
    TooLong {
        /// Length in bytes.
        bytes: usize,
        /// Limit.
        limit: usize,
    },
    /// The line does not start with a metric name.
    #[error("{found:?} is not a metric name")]
    MetricName {
        /// Text at this position, shortened.
        found: String,
    },
    /// A label name is invalid.
    #[error("{found:?} is not a label name")]
    LabelName {
        /// Text at this position, shortened.
        found: String,
    },
    /// A label name is not followed by `="…"`.
    #[error("label {label:?} has no value in quotes")]
    LabelValue {
        /// Name of the label.
        label: String,
    },
    /// A quote or a brace is not closed.
    #[error("the line ends before the closing {expected}")]
    Unclosed {
        /// Missing character: "quote" or "brace".
        expected: &'static str,
    },
    /// A label is followed by neither a comma nor the closing brace.
    #[error("expected a comma or a closing brace, found {found:?}")]
    Separator {
        /// Text at this position, shortened.
        found: String,
    },
    /// The metric name is both before and within the braces.
    #[error("duplicate metric name")]
    SecondName,
    /// The series has no metric name.
    #[error("the metric has no name")]
    NoName,
    /// The value is missing.
    #[error("the value is missing")]
    NoValue,
    /// The value is not a number.
    #[error("value {found:?} is not a number")]
    Value {
        /// Text at this position, shortened.
        found: String,
    },
    /// The timestamp is invalid.
    #[error("timestamp {found:?} is not {expected}")]
    Timestamp {
        /// Text at this position, shortened.
        found: String,
        /// Form that the format requires.
        expected: &'static str,
    },
    /// The line continues after the sample.
    #[error("unexpected {found:?} after the sample")]
    Trailing {
        /// Text at this position, shortened.
        found: String,
    },
    /// The metric type is unknown.
    #[error("{found:?} is not a metric type")]
    Type {
        /// Text at this position, shortened.
        found: String,
    },
    /// The line is not UTF-8.
    #[error("the line is not UTF-8 text")]
    NotUtf8,
    /// OpenMetrics text has an empty line.
    #[error("OpenMetrics does not allow empty lines")]
    Blank,
    /// OpenMetrics text does not end with `# EOF`.
    #[error("the text is truncated: it does not end with \"# EOF\"")]
    NoEof,
    /// OpenMetrics text continues after `# EOF`.
    #[error("text after \"# EOF\"")]
    AfterEof,
}
