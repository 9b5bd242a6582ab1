//! Measurement terms of an applied recommendation on the rows of a statement.

use serde::{Deserialize, Serialize};

use super::source::BatchSource;

/// What the effect of a size is measured by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchTerms {
    /// Where rows and times come from; of a table all its families.
    pub sources: Vec<BatchSource>,
    /// Allowed 95th percentile of a statement's time, in seconds.
    pub latency_max: f64,
}
