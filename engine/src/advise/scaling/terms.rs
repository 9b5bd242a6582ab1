//! By what an applied scaling recommendation is measured.

use serde::{Deserialize, Serialize};

/// By what an applied scaling recommendation is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScalingTerms {
    /// Demand that one replica serves; rows of older releases have it in the setting alone.
    #[serde(default)]
    pub capacity_per_replica: Option<f64>,
}
