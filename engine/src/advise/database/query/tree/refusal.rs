//! Reason why a statement is not rewritten.

/// Reason why a statement is not rewritten, as one sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

/// Creates a refusal.
pub(crate) fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(reason.into()))
}
