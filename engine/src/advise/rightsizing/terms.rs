//! Measurement terms of an applied request, stored with the recommendation.

use serde::{Deserialize, Serialize};

/// Measurement terms of an applied request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RequestTerms {
    /// Cost of an hour above the request, in hours of idle mean usage. Recommendations of older releases promise a
    /// cost.
    #[serde(default)]
    pub above_cost: Option<f64>,
    /// Promised upper end of the share of time with usage above the request.
    #[serde(default)]
    pub above_share_max: Option<f64>,
}
