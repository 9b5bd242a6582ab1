//! Measurement terms of an applied time-to-live, stored with the recommendation.

use serde::{Deserialize, Serialize};

/// Measurement terms of an applied time-to-live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlTerms {
    /// Whether a write drops the copy.
    #[serde(default)]
    pub on_write: bool,
}
