//! Why expressions are refused or cannot be evaluated.

use crate::series::SourceError;

/// Why an expression could not be parsed or evaluated.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The text is not PromQL.
    #[error("expression {expr:?} is not valid PromQL: line {line}, column {column}{}: {message}", at(piece))]
    Parse {
        /// The expression as written; the start of a long one.
        expr: String,
        /// The line of the piece that is wrong, from 1.
        line: usize,
        /// The character in that line, from 1.
        column: usize,
        /// The piece; empty at the end of the text.
        piece: String,
        /// What is wrong with it and what would be right.
        message: String,
    },
    /// The text is PromQL that is not evaluated here.
    #[error("{what} is not supported")]
    Unsupported {
        /// The function, operator or modifier, by name.
        what: String,
    },
    /// The result is of a kind that the caller cannot use, such as a range vector in a range query.
    #[error("expression is {found}, a {wanted} is needed")]
    Kind {
        /// What the expression gives.
        found: &'static str,
        /// What the caller needs.
        wanted: &'static str,
    },
    /// Start, end and step do not make a range.
    #[error("range from {start_ms} to {end_ms} ms by {step_ms} ms has no steps")]
    Range {
        /// Epoch milliseconds.
        start_ms: i64,
        /// Epoch milliseconds.
        end_ms: i64,
        /// Milliseconds.
        step_ms: i64,
    },
    /// The range has more steps than one answer may have.
    #[error("range has {steps} steps, at most {limit} are allowed: use a longer step or a shorter range")]
    TooManySteps {
        /// How many steps were asked for.
        steps: u64,
        /// The limit in force.
        limit: usize,
    },
    /// The evaluation would hold more samples in memory than allowed.
    #[error("expression needs more than {limit} samples in memory")]
    TooManySamples {
        /// The limit in force.
        limit: usize,
    },
    /// The expression is nested deeper than allowed.
    #[error("expression is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit in force.
        limit: usize,
    },
    /// Two elements of a vector have the same labels.
    #[error("vector has several elements with the labels {labels} at one time")]
    DuplicateLabels {
        /// The labels in Prometheus' notation.
        labels: String,
    },
    /// A binary operation finds several partners where there may be one.
    #[error("{message}")]
    Matching {
        /// Which labels match what.
        message: String,
    },
    /// A function's argument is outside of its domain.
    #[error("{function}: {message}")]
    Argument {
        /// The function or aggregation.
        function: &'static str,
        /// The argument and what would be right.
        message: String,
    },
    /// The caller cancelled the evaluation.
    #[error("evaluation was stopped before it finished")]
    Cancelled,
    /// Samples could not be read.
    #[error("samples could not be read")]
    Source(#[source] SourceError),
}

fn at(piece: &str) -> String {
    if piece.is_empty() { String::new() } else { format!(", at {piece:?}") }
}

impl From<SourceError> for SignalError {
    fn from(source: SourceError) -> Self {
        match source {
            SourceError::TooManySamples { limit } => Self::TooManySamples { limit },
            source => Self::Source(source),
        }
    }
}
