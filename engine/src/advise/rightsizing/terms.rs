//! By what an applied request is measured.

use serde::{Deserialize, Serialize};

/// By what an applied request is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RequestTerms {
    /// Price of an hour above the request, in hours of the mean usage idling: recommendations of older releases promise a cost.
    #[serde(default)]
    pub above_cost: Option<f64>,
    /// The largest promised share of the time with usage above the request.
    #[serde(default)]
    pub above_share_max: Option<f64>,
}
