//! Scaling advice: the number of replicas over time. It is sized for the upper quantile of demand over the start-up
//! time of a replica, is never below what the present demand needs, and is evaluated by a replay of the workload's own
//! history against other common rules.

mod advice;
mod advisor;
mod capacity;
mod decide;
mod demand;
mod error;
mod policy;
mod pool;
mod replay;
mod spec;
mod terms;

#[cfg(test)]
mod tests;

pub use advice::{
    CurrentReplicas, Schedule, ScheduleSlot, cron_scaled_object, current_replicas, horizontal_pod_autoscaler,
    keda_scaled_object,
};
pub use advisor::Scaling;
pub use capacity::{Capacity, CapacitySource};
pub use decide::{Decision, Rule, decide};
pub use demand::{FIRST_RESOURCE, ResourceSpec, ResourceUse, WorkloadHistory, fetch, largest_demand};
pub use error::ScalingError;
pub use policy::{Coverage, LastWeek, Policy, Predictive, PredictiveOptions, Reactive, StaticPeak, oracle_plan};
pub use pool::{Pool, PoolRules, USUAL_TARGET};
pub use replay::{CompareOptions, Comparison, PolicyFigures, Trace, compare, follow, score, simulate};
pub use spec::{CHANGES_PER_DAY, WorkloadSpec};
pub use terms::ScalingTerms;

pub use crate::advise::kit::{DemandHistory, LeftOut};
