//! Errors of parsing and evaluating expressions.

use crate::series::SourceError;

/// An error of parsing or evaluating an expression.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The text is not PromQL.
    #[error("expression {expr:?} is not valid PromQL: line {line}, column {column}{}: {message}", at(piece))]
    Parse {
        /// Expression as written, cut if it is long.
        expr: String,
        /// Line of the wrong piece, from 1.
        line: usize,
        /// Character in that line, from 1.
        column: usize,
        /// Wrong piece of the text; empty at its end.
        piece: String,
        /// Description of the error and its correction.
        message: String,
    },
    /// The text is valid PromQL with a construct that is not supported.
    #[error("{what} is not supported")]
    Unsupported {
        /// Name of the function, operator or modifier.
        what: String,
    },
    /// The result has a kind that the caller cannot use, for example a range vector in a range query.
    #[error("expression returns {found}, but {wanted} is needed")]
    Kind {
        /// Kind of the result, with its article.
        found: &'static str,
        /// Kind that the caller needs, with its article.
        wanted: &'static str,
    },
    /// Start, end and step contain no evaluation time.
    #[error("range from {start_ms} to {end_ms} ms by {step_ms} ms has no steps")]
    Range {
        /// Start in epoch milliseconds.
        start_ms: i64,
        /// End in epoch milliseconds.
        end_ms: i64,
        /// Step in milliseconds.
        step_ms: i64,
    },
    /// The range has more steps than allowed.
    #[error("range has {steps} steps, at most {limit} are allowed: use a longer step or a shorter range")]
    TooManySteps {
        /// Number of requested steps.
        steps: u64,
        /// The limit.
        limit: usize,
    },
    /// The evaluation needs more samples in memory than allowed.
    #[error("expression needs more than {limit} samples in memory")]
    TooManySamples {
        /// The limit.
        limit: usize,
    },
    /// The expression is nested deeper than allowed.
    #[error("expression is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Two elements of a vector have the same labels.
    #[error("vector has several elements with the labels {labels} at one time")]
    DuplicateLabels {
        /// Labels in the notation of Prometheus.
        labels: String,
    },
    /// Several elements match in a binary operation where only one may.
    #[error("{message}")]
    Matching {
        /// Description of the matching labels.
        message: String,
    },
    /// An argument of a function is outside of its domain.
    #[error("{function}: {message}")]
    Argument {
        /// Name of the function or aggregation.
        function: &'static str,
        /// Description of the argument and its correction.
        message: String,
    },
    /// The caller cancelled the evaluation.
    #[error("evaluation was cancelled")]
    Cancelled,
    /// Samples could not be read.
    #[error("samples could not be read")]
    Source(#[source] SourceError),
}

/// Formats the piece of a parse error.
fn at(piece: &str) -> String {
    if piece.is_empty() { String::new() } else { format!(", at {piece:?}") }
}

impl From<SourceError> for SignalError {
    fn from(source: SourceError) -> Self {
        // A separate variant, because a range query is then evaluated in parts.
        match source {
            SourceError::TooManySamples { limit } => Self::TooManySamples { limit },
            source => Self::Source(source),
        }
    }
}
