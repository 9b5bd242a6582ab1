//! Error of reading an answer of a watched database.

/// An answer has another form than the statement gives it.
#[derive(Debug, thiserror::Error)]
#[error("the answer about {what} cannot be read")]
pub struct ReadError {
    /// What was asked for.
    pub what: &'static str,
    /// Error of the parser.
    #[source]
    pub source: serde_json::Error,
}
