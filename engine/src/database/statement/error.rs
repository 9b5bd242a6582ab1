//! Errors of reading a statement.

/// Error of reading a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The parser does not know the syntax.
    #[error("the statement cannot be parsed: {message}")]
    Syntax {
        /// Message of the parser, with line and column.
        message: String,
    },
    /// The text has no statement, or several.
    #[error("one statement is expected, found {found}")]
    Count {
        /// Number of statements.
        found: usize,
    },
    /// The text is longer than the limit.
    #[error("the statement has {bytes} bytes; at most {limit} are read")]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
        /// Limit in bytes.
        limit: usize,
    },
}
