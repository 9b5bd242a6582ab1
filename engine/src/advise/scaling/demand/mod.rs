//! Demand of a workload over time, read from the store; of several resources the largest at each step.

mod fetch;
mod resources;

use super::{DemandHistory, ScalingError, WorkloadSpec};

pub use fetch::{WorkloadHistory, fetch};
pub(super) use resources::in_workload_units;
pub use resources::{FIRST_RESOURCE, ResourceSpec, ResourceUse, largest_demand};
