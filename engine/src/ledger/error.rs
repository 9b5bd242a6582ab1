//! Errors of the ledger.

use crate::store::{StoreError, rows::State};

/// An error of the ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// No recommendation has this id.
    #[error("no recommendation has the id {id:?}")]
    Unknown {
        /// The id.
        id: String,
    },
    /// The state does not allow the change.
    #[error("recommendation {id:?} is {from} and cannot become {to}")]
    Transition {
        /// The id.
        id: String,
        /// The present state.
        from: State,
        /// The requested state.
        to: State,
    },
    /// The typed part of the evidence ([`super::Promise`]) cannot be read.
    #[error("the evidence of recommendation {id:?} cannot be read")]
    Evidence {
        /// The id.
        id: String,
        /// The error of the deserialisation.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error("the ledger could not be read or written")]
    Store(#[from] StoreError),
}
