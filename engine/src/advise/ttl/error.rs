//! Errors of advising on a time-to-live. `Kept` and `NoTtl` are results: the present time-to-live is kept.

use crate::{signal::SignalError, store::StoreError};

/// Error of advising on a time-to-live.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TtlError {
    /// The split leaves no events for learning or for scoring.
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
    /// A time-to-live is not positive.
    #[error("time-to-live of {ttl_ms} ms is not positive")]
    Ttl {
        /// The rejected length in milliseconds.
        ttl_ms: i64,
    },
    /// A cost is negative or not finite.
    #[error("cost {cost} is not a number of at least 0")]
    Cost {
        /// The rejected cost.
        cost: f64,
    },
    /// A present time-to-live is given for a cache without events.
    #[error("cache {cache:?} has no events; the events name {known}")]
    UnknownCache {
        /// The given name.
        cache: String,
        /// The names that occur in the events.
        known: String,
    },
    /// The events do not determine hit ratio and stale share.
    #[error("cache {cache:?}: {reason}")]
    NotIdentifiable {
        /// The cache's name.
        cache: String,
        /// The bounds that hold, and the events to send.
        reason: String,
    },
    /// No time-to-live can be recommended.
    #[error("cache {cache:?}: {reason}")]
    NoTtl {
        /// The cache's name.
        cache: String,
        /// Reason.
        reason: String,
    },
    /// The present time-to-live is as good, or the confidence in another is too low.
    #[error("cache {cache:?}: {reason}")]
    Kept {
        /// The cache's name.
        cache: String,
        /// Reason, with its figures.
        reason: String,
    },
    /// The counters of hits and misses could not be evaluated.
    #[error("the counters of cache {cache:?} could not be evaluated")]
    Counters {
        /// The cache's name.
        cache: String,
        /// Error of the evaluation.
        #[source]
        source: SignalError,
    },
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
}

impl TtlError {
    /// Returns whether the present time-to-live is kept, which is a result with figures. Otherwise data are missing or
    /// invalid.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Kept { .. })
    }
}
