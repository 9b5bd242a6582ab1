//! Why no advice on a time-to-live could be worked out; two of the reasons are results: the present one is kept.

use crate::{signal::SignalError, store::StoreError};

/// Why no advice on a time-to-live could be worked out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TtlError {
    /// The split leaves nothing to learn from or nothing to score.
    #[error("split {split} is not between 0 and 1, both excluded")]
    Split {
        /// The rejected share.
        split: f64,
    },
    /// A share outside [0, 1].
    #[error("stale share limit {limit} is not between 0 and 1")]
    StaleLimit {
        /// The rejected share.
        limit: f64,
    },
    /// A time-to-live that no cache can have.
    #[error("time-to-live of {ttl_ms} ms is not positive")]
    Ttl {
        /// The rejected length in milliseconds.
        ttl_ms: i64,
    },
    /// A cost that is no number of at least 0.
    #[error("cost {cost} is not a number of at least 0")]
    Cost {
        /// The rejected cost.
        cost: f64,
    },
    /// A present time-to-live for a cache that has no events.
    #[error("cache {cache:?} has no events; the events name {known}")]
    UnknownCache {
        /// The name that was given.
        cache: String,
        /// The names that the events have.
        known: String,
    },
    /// The events do not tell what is wanted.
    #[error("cache {cache:?}: {reason}")]
    NotIdentifiable {
        /// The cache's name.
        cache: String,
        /// The bounds that hold, and what to send.
        reason: String,
    },
    /// No time-to-live can be recommended.
    #[error("cache {cache:?}: {reason}")]
    NoTtl {
        /// The cache's name.
        cache: String,
        /// Why.
        reason: String,
    },
    /// The present time-to-live serves as well, or too little speaks for another.
    #[error("cache {cache:?}: {reason}")]
    Kept {
        /// The cache's name.
        cache: String,
        /// Why, with its figures.
        reason: String,
    },
    /// The counters of hits and misses could not be evaluated.
    #[error("the counters of cache {cache:?} could not be evaluated")]
    Counters {
        /// The cache's name.
        cache: String,
        /// What the evaluation says.
        #[source]
        source: SignalError,
    },
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
}

impl TtlError {
    /// Whether the present time-to-live is kept, which is a result with its figures; otherwise something is missing or wrong.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Kept { .. })
    }
}
