use crate::store::{StoreError, rows::Kind};

/// Why there is no advice at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdviseError {
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// What an applied recommendation did cannot be measured.
    #[error("what {id:?} did cannot be measured")]
    Measure {
        /// The recommendation.
        id: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not one of the targets could be advised on; the last reason stands here.
    #[error("no advice for {kind} {target:?} and {others} others: {reason}")]
    Nothing {
        /// Kind of one target that was refused.
        kind: Kind,
        /// That target.
        target: String,
        /// Why.
        reason: String,
        /// How many others were refused.
        others: usize,
    },
}
