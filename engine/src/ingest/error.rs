//! Errors of [`Ingest`](super::Ingest): of a whole request, and of resolving one series.

use super::{Refusal, remote_write::WireError};
use crate::store::StoreError;

/// Error of a request; none of its samples was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The bytes are not a remote-write request.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Error of resolving the number of a series.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The series is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}
