//! Why there is no advice, or why what was applied cannot be measured.

use crate::{ledger::LedgerError, store::StoreError};

/// Why there is no advice, or why what was applied cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdviseError {
    /// The store failed.
    #[error("the store could not be read or written")]
    Store(#[from] StoreError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no such advisor.
    #[error("{kind:?} is not a kind of recommendation; write {known}")]
    UnknownKind {
        /// The name that was given.
        kind: String,
        /// The kinds that there are.
        known: String,
    },
    /// What an applied recommendation did cannot be measured.
    #[error("what {id:?} did cannot be measured")]
    Measure {
        /// The recommendation.
        id: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The terms by which an applied recommendation is measured cannot be read back.
    #[error("the terms by which {id:?} is measured cannot be read back")]
    Terms {
        /// The recommendation.
        id: String,
        /// What is wrong with them.
        #[source]
        source: serde_json::Error,
    },
}
