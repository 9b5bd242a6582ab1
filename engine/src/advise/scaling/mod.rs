//! How many replicas, and when: sized for the upper quantile of demand over the time that a replica
//! needs to start, never below what the demand seen now needs, and proved by a replay of the
//! workload's own history beside the rules that people use otherwise.

mod compare;
mod error;
mod history;
mod policy;
mod pool;
mod recommend;
mod replay;
mod spec;

pub use compare::{CompareOptions, Comparison, compare};
pub use error::ScalingError;
pub use history::DemandHistory;
pub use policy::{Coverage, LastWeek, Policy, Predictive, PredictiveOptions, Reactive, StaticPeak, oracle_plan};
pub use pool::{Pool, PoolRules};
pub use recommend::advise;
pub use replay::{PolicyFigures, Trace, follow, score, simulate};
pub use spec::WorkloadSpec;
