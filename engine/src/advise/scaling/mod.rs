//! How many replicas, and when: sized for the upper quantile of demand over the time that a replica
//! needs to start, never below what the demand seen now needs, and proved by a replay of the
//! workload's own history beside the rules that people use otherwise.

mod advice;
mod capacity;
mod decide;
mod demand;
mod error;
mod policy;
mod pool;
mod replay;
mod spec;

#[cfg(test)]
mod tests;

pub use advice::{
    CurrentReplicas, Schedule, ScheduleSlot, advise, cron_scaled_object, current_replicas, horizontal_pod_autoscaler,
    keda_scaled_object, measure,
};
pub(super) use advice::{judge_mean, quoted, rfc3339};
pub use capacity::{Capacity, CapacitySource};
pub use decide::{Decision, Interval, Rule, decide};
pub(super) use decide::{RESAMPLES, resamples};
pub use demand::{
    DemandHistory, FIRST_RESOURCE, LeftOut, ResourceSpec, ResourceUse, WorkloadHistory, fetch, largest_demand,
};
pub(super) use demand::{one_history, one_value};
pub use error::ScalingError;
pub use policy::{Coverage, LastWeek, Policy, Predictive, PredictiveOptions, Reactive, StaticPeak, oracle_plan};
pub use pool::{Pool, PoolRules, USUAL_TARGET};
pub use replay::{CompareOptions, Comparison, PolicyFigures, Trace, compare, follow, score, simulate};
pub use spec::{CHANGES_PER_DAY, WorkloadSpec};
