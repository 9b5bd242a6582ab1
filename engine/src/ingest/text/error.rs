//! Why Prometheus text cannot be read, and where.

/// Why a page or a file of Prometheus text cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TextError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: TextProblem,
}

/// What is wrong with a line of Prometheus text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextProblem {
    /// A line that does not begin with a metric's name.
    #[error("{found:?} is not a metric name")]
    MetricName {
        /// What is there, shortened.
        found: String,
    },
    /// Something else where a label's name should be.
    #[error("{found:?} is not a label name")]
    LabelName {
        /// What is there, shortened.
        found: String,
    },
    /// No `="…"` behind a label's name.
    #[error("label {label:?} has no value in quotes")]
    LabelValue {
        /// The label's name.
        label: String,
    },
    /// A quote or a brace that is not closed.
    #[error("the line ends before {expected} closes")]
    Unclosed {
        /// What is open: "the quote" or "the brace".
        expected: &'static str,
    },
    /// Neither a comma nor the closing brace behind a label.
    #[error("{found:?} where a comma or a closing brace belongs")]
    Separator {
        /// What is there, shortened.
        found: String,
    },
    /// A metric's name within and before the braces.
    #[error("the metric's name occurs twice")]
    SecondName,
    /// No metric's name at all.
    #[error("the metric has no name")]
    NoName,
    /// No value.
    #[error("the value is missing")]
    NoValue,
    /// A value that is no number.
    #[error("value {found:?} is not a number")]
    Value {
        /// What is there, shortened.
        found: String,
    },
    /// A timestamp that is none.
    #[error("timestamp {found:?} is not {expected}")]
    Timestamp {
        /// What is there, shortened.
        found: String,
        /// What the format wants.
        expected: &'static str,
    },
    /// More on the line than belongs there.
    #[error("{found:?} behind the sample")]
    Trailing {
        /// What is there, shortened.
        found: String,
    },
    /// A type that there is not.
    #[error("{found:?} is not a metric type")]
    Type {
        /// What is there, shortened.
        found: String,
    },
    /// Bytes that are not UTF-8.
    #[error("the line is not UTF-8 text")]
    NotUtf8,
    /// An empty line in OpenMetrics.
    #[error("an empty line, which OpenMetrics does not allow")]
    Blank,
    /// OpenMetrics without its end.
    #[error("the text ends without \"# EOF\"; it is cut short")]
    NoEof,
    /// OpenMetrics with text behind its end.
    #[error("text behind \"# EOF\"")]
    AfterEof,
}
