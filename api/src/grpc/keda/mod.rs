//! KEDA's external scaler (`externalscaler.ExternalScaler` of KEDA 2.21): the recommended replicas of a workload.
//!
//! A trigger names its workload in `scalerMetadata`. The metric has the target 1 for each replica, so that the autoscaler
//! sets the recommended number. Without a valid number a call fails, and KEDA uses its own fallback.

mod calls;
mod message;
mod routes;
mod streams;

pub(super) use routes::routes;
