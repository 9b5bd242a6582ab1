//! Measurement terms of an applied pool setting, stored with the recommendation.

use serde::{Deserialize, Serialize};

/// Measurement terms of an applied pool setting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PoolTerms {
    /// Connections of an instance: size and overflow.
    pub connections: u32,
    /// Longest acceptable 95 % quantile of the wait, seconds. Longer waits break the promise; none: nothing does, as of the
    /// setting before a larger pool.
    #[serde(default)]
    pub wait_max: Option<f64>,
}
