//! What a workload has had to serve: its demand over time, read from the store, of several resources the largest.

mod fetch;
mod resources;

use super::{DemandHistory, ScalingError, WorkloadSpec};

pub use fetch::{WorkloadHistory, fetch};
pub(super) use resources::in_own_units;
pub use resources::{FIRST_RESOURCE, ResourceSpec, ResourceUse, largest_demand};
