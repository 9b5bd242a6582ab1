//! What the calls of the external scaler answer.

use std::net::IpAddr;

use almanac_engine::advise::scaling::Scaling;
use tonic::Status;

use super::message::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};
use crate::{
    access::{Permit, Scope},
    grpc::{access::admit, status::status_of},
    http::{AppState, recommended_replicas},
};

/// Name of the metric, which KEDA and its autoscaler keep over restarts of this service.
pub(super) const METRIC: &str = "almanac_recommended_replicas";

/// Keys of `scalerMetadata` with a token. KEDA replaces the value of the second one by that of the environment variable.
const TOKEN_KEYS: [&str; 2] = ["token", "tokenFromEnv"];

/// Who calls: the token of the metadata of gRPC, and the address.
#[derive(Debug, Clone, Default)]
pub(super) struct Sender {
    pub(super) token: Option<Vec<u8>>,
    pub(super) address: Option<IpAddr>,
}

/// Checks the token of a call and its workload, and returns the workload's name.
///
/// # Errors
/// `Unauthenticated`, `PermissionDenied`, `InvalidArgument` without a workload, `NotFound` for an unknown one.
pub(super) async fn workload(
    state: &AppState,
    sender: &Sender,
    object: &ScaledObjectRef,
) -> Result<(String, Permit), Status> {
    let of_trigger = || TOKEN_KEYS.iter().find_map(|key| object.scaler_metadata.get(*key)).map(String::as_bytes);
    let token = sender.token.as_deref().or_else(of_trigger);
    let permit = admit(state, token, sender.address, Scope::Read).await.map_err(|error| status_of(&error))?;
    let Some(name) = object.scaler_metadata.get("workload") else {
        let message = "scalerMetadata has no workload; write workload: NAME in the metadata of the trigger";
        return Err(Status::invalid_argument(message));
    };
    if !state.config.advice.of::<Scaling>().any(|workload| workload.name == *name) {
        return Err(Status::not_found(format!("no [[workload]] has the name {:?}", shortened(name))));
    }
    Ok((name.clone(), permit))
}

/// Returns the one metric, with the target of 1 for each replica. It needs no recommendation: an autoscaler that is created
/// meanwhile must not be without a metric.
pub(super) fn metric_spec() -> GetMetricSpecResponse {
    let spec = MetricSpec { metric_name: METRIC.to_owned(), target_size: 1, target_size_float: 1.0 };
    GetMetricSpecResponse { metric_specs: vec![spec] }
}

/// Returns the recommended replicas.
///
/// # Errors
/// `InvalidArgument` for another metric; `NotFound` and `Unavailable` when no number is valid now.
pub(super) async fn metrics(
    state: &AppState,
    sender: &Sender,
    request: &GetMetricsRequest,
) -> Result<GetMetricsResponse, Status> {
    let Some(object) = &request.scaled_object_ref else {
        return Err(Status::invalid_argument("scaledObjectRef is missing"));
    };
    let (name, _permit) = workload(state, sender, object).await?;
    if !is_metric(&request.metric_name) {
        let message = format!("metric {:?} is not served; {METRIC} is", shortened(&request.metric_name));
        return Err(Status::invalid_argument(message));
    }
    let found = recommended_replicas(state, &name).await.map_err(|error| status_of(&error))?;
    let value = MetricValue {
        metric_name: request.metric_name.clone(),
        metric_value: i64::from(found.replicas),
        metric_value_float: f64::from(found.replicas),
    };
    Ok(GetMetricsResponse { metric_values: vec![value] })
}

/// Returns whether the workload needs any replica.
///
/// # Errors
/// As [`metrics`].
pub(super) async fn is_active(state: &AppState, name: &str) -> Result<IsActiveResponse, Status> {
    let found = recommended_replicas(state, name).await.map_err(|error| status_of(&error))?;
    Ok(IsActiveResponse { result: found.replicas > 0 })
}

/// Whether this is the metric, also with KEDA's prefix of the trigger's number, such as `s0-`.
fn is_metric(name: &str) -> bool {
    let without_prefix = name.strip_prefix('s').and_then(|rest| {
        let (number, rest) = rest.split_once('-')?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
    });
    name == METRIC || without_prefix == Some(METRIC)
}

fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_is_known_with_and_without_the_number_of_its_trigger() {
        for known in [METRIC, "s0-almanac_recommended_replicas", "s12-almanac_recommended_replicas"] {
            assert!(is_metric(known), "{known}");
        }
        for other in ["", "cpu", "s0-cpu", "sx-almanac_recommended_replicas", "almanac_recommended_replicas2"] {
            assert!(!is_metric(other), "{other}");
        }
    }
}
