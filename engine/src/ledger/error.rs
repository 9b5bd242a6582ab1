//! Why the ledger refused.

use crate::store::{StoreError, rows::State};

/// Why the ledger refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is no such recommendation.
    #[error("no recommendation has the id {id:?}")]
    Unknown {
        /// The id.
        id: String,
    },
    /// The state does not allow the change.
    #[error("recommendation {id:?} is {from}, it cannot become {to}")]
    Transition {
        /// The id.
        id: String,
        /// The state it is in.
        from: State,
        /// The state that was asked for.
        to: State,
    },
    /// What a machine reads of the evidence cannot be read back.
    #[error("the evidence of recommendation {id:?} cannot be read back")]
    Evidence {
        /// The id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error("the ledger could not be read or written")]
    Store(#[from] StoreError),
}
