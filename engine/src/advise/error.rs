//! Errors of a round of advice.

use crate::{ledger::LedgerError, store::StoreError};

/// Error of advising, or of measuring an applied recommendation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdviseError {
    /// The store failed.
    #[error("the store could not be read or written")]
    Store(#[from] StoreError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No advisor has this kind.
    #[error("{kind:?} is not a kind of recommendation; write {known}")]
    UnknownKind {
        /// The rejected name.
        kind: String,
        /// The known kinds.
        known: String,
    },
    /// The effect of an applied recommendation cannot be measured.
    #[error("cannot measure the effect of {id:?}")]
    Measure {
        /// Id of the recommendation.
        id: String,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The measurement terms of an applied recommendation cannot be parsed.
    #[error("cannot parse the measurement terms of {id:?}")]
    Terms {
        /// Id of the recommendation.
        id: String,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
}
