//! What other means than another time-to-live would gain.

use serde_json::{Value, json};

use super::{EarlyRefresh, Invalidation};
use crate::advise::ttl::{TtlFigures, figures::ttl_seconds, replay::TrainTestSplit};

/// What dropping copies at each write and refreshing early would gain, each by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Gains {
    /// The time-to-live that they are held against, milliseconds: the recommended, else the present, else the best one.
    pub ttl_ms: i64,
    /// Dropping the copy at each write; none where writes drop it already or none are known.
    pub invalidate_on_write: Option<Invalidation>,
    /// Refreshing early; none where nobody says what a miss costs.
    pub refresh_early: Option<EarlyRefresh>,
}

impl Gains {
    /// Works both out beside the figures at one time-to-live.
    pub(in crate::advise::ttl) fn of(parts: &TrainTestSplit<'_>, at: &TtlFigures) -> Self {
        Self {
            ttl_ms: at.ttl_ms,
            invalidate_on_write: Invalidation::of(parts, at),
            refresh_early: EarlyRefresh::of(parts, at.ttl_ms),
        }
    }

    /// As the command line prints them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "ttl_seconds": ttl_seconds(self.ttl_ms),
            "invalidate_on_write": self.invalidate_on_write.map(Invalidation::to_json),
            "refresh_early": self.refresh_early.map(EarlyRefresh::to_json),
        })
    }

    /// What refreshing early would bring, where it is worth a clause.
    pub(in crate::advise::ttl) fn refresh_words(&self) -> Option<String> {
        self.refresh_early.as_ref().and_then(EarlyRefresh::words)
    }
}
