//! By what an applied time-to-live is measured.

use serde::{Deserialize, Serialize};

/// By what an applied time-to-live is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlTerms {
    /// Whether a write drops the copy.
    #[serde(default)]
    pub on_write: bool,
}
