//! Measurement terms of an applied scaling recommendation, stored with the recommendation.

use serde::{Deserialize, Serialize};

/// Measurement terms of an applied scaling recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScalingTerms {
    /// Demand that one replica serves; rows of older releases have it in the setting alone.
    #[serde(default)]
    pub capacity_per_replica: Option<f64>,
}
