//! Errors of a whole OTLP export.

use crate::store::StoreError;

/// Error of an export; nothing of it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The bytes are not the protobuf message of the signal.
    #[error("the body is not a protobuf {message}: {problem}")]
    Protobuf {
        /// Name of the expected message.
        message: &'static str,
        /// Message of the decoder.
        problem: String,
    },
    /// The text is not the JSON form of the message.
    #[error("the body is not a JSON {message}: {problem}")]
    Json {
        /// Name of the expected message.
        message: &'static str,
        /// Message of the decoder, with line and column.
        problem: String,
    },
    /// The export needs more memory than its limit.
    #[error("the export needs about {} MiB in memory; the limit is {} MiB; send smaller batches", needed >> 20, limit >> 20)]
    TooLarge {
        /// Estimated memory in bytes.
        needed: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The series of the export take more memory than the limit.
    #[error("the labels of the export's series take more than {} MiB; send smaller batches", limit >> 20)]
    TooManySeries {
        /// Limit in bytes.
        limit: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
