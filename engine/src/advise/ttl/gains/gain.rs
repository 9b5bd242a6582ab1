//! Gains of other means than a time-to-live. Called by `replay`.

use serde_json::{Value, json};

use super::{EarlyRefresh, Invalidation};
use crate::advise::ttl::{TtlFigures, figures::ttl_seconds, split::TrainTestSplit};

/// Gains of invalidation on write and of early refresh, each by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Gains {
    /// Time-to-live of the comparison, milliseconds: the recommended, else the present, else the best one.
    pub ttl_ms: i64,
    /// Invalidation on write; none if writes already drop the copy or no writes are known.
    pub invalidate_on_write: Option<Invalidation>,
    /// Early refresh; none if the cost of a miss is unknown.
    pub refresh_early: Option<EarlyRefresh>,
}

impl Gains {
    /// Computes both gains relative to the figures at one time-to-live.
    pub(in crate::advise::ttl) fn of(split: &TrainTestSplit<'_>, at: &TtlFigures) -> Self {
        Self {
            ttl_ms: at.ttl_ms,
            invalidate_on_write: Invalidation::of(split, at),
            refresh_early: EarlyRefresh::of(split, at.ttl_ms),
        }
    }

    /// Returns the gains as JSON for the command line.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "ttl_seconds": ttl_seconds(self.ttl_ms),
            "invalidate_on_write": self.invalidate_on_write.map(Invalidation::to_json),
            "refresh_early": self.refresh_early.map(EarlyRefresh::to_json),
        })
    }

    /// Returns a clause on early refresh if it gains enough.
    pub(in crate::advise::ttl) fn describe_refresh(&self) -> Option<String> {
        self.refresh_early.as_ref().and_then(EarlyRefresh::describe)
    }
}
