//! By what an applied request is measured.

use serde::{Deserialize, Serialize};

/// By what an applied request is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RequestTerms {
    /// Price of an hour above the request, in hours of the mean usage idling.
    pub above_cost: f64,
}
