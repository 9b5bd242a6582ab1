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
    /// The store failed.
    #[error("the ledger could not be kept")]
    Store(#[from] StoreError),
}
