//! What a workload has had to serve: its demand over time, read from the store, of several resources the largest.

mod fetch;
mod history;
mod resources;

use super::{ScalingError, WorkloadSpec};

pub use fetch::{WorkloadHistory, fetch};
pub(in crate::advise) use fetch::{one_history, one_value};
pub use history::{DemandHistory, LeftOut};
pub(super) use resources::in_own_units;
pub use resources::{FIRST_RESOURCE, ResourceSpec, ResourceUse, largest_demand};
