use std::fmt::Write;

use chrono::{DateTime, Timelike};

use super::Schedule;
use crate::{
    advise::scaling::{Decision, WorkloadSpec},
    store::rows::Patch,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A KEDA `ScaledObject` that polls `/v1/scaling/{workload}`.
///
/// The metric is the number of replicas and its target is 1, so that the autoscaler's formula gives the
/// number itself. When the service does not answer, the pool goes to what the busiest known hour needs. A service that a
/// cluster can reach asks for a token, so the patch says where that is kept.
///
/// # Reference
/// KEDA documentation, `metrics-api` scaler and `ScaledObject` specification.
#[must_use]
pub fn keda_scaled_object(spec: &WorkloadSpec, decision: &Decision, schedule: Option<&Schedule>) -> Patch {
    let highest = schedule.and_then(|schedule| schedule.slots.iter().map(|slot| slot.replicas).max());
    let fallback = highest.unwrap_or(0).max(decision.replicas);
    let polling = (spec.step_ms / 1_000).clamp(5, 30);
    let mut body = header(spec, &Names::of(spec));
    let _ = write!(
        body,
        "  pollingInterval: {polling}\n  fallback:\n    failureThreshold: 3\n    replicas: {fallback}\n  advanced:\n    \
         horizontalPodAutoscalerConfig:\n      behavior:\n        scaleDown:\n          stabilizationWindowSeconds: 0\n  \
         triggers:\n    - type: metrics-api\n      metadata:\n        url: {url}\n        valueLocation: replicas\n        \
         targetValue: \"1\"\n        authMode: bearer\n      authenticationRef:\n        name: almanac\n---\n\
         # The service's token, in the secret \"almanac\" under the key \"token\".\n\
         apiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata:\n  name: almanac\n  namespace: {namespace}\nspec:\n  \
         secretTargetRef:\n    - parameter: token\n      name: almanac\n      key: token\n",
        url = quoted(&scaling_url(spec)),
        namespace = Names::of(spec).namespace,
    );
    Patch { format: "keda/scaledobject+yaml".to_owned(), body }
}

/// An `HorizontalPodAutoscaler` on the external metric that carries the number of replicas; an adapter of the cluster has
/// to serve that metric.
#[must_use]
pub fn horizontal_pod_autoscaler(spec: &WorkloadSpec) -> Patch {
    let Names { object, namespace, deployment } = Names::of(spec);
    let body = format!(
        "# Needs an adapter for external metrics that reads {url} (field replicas) as almanac_replicas.\n\
         apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: {object}\n  namespace: {namespace}\n\
         spec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: {deployment}\n  minReplicas: {min}\n  \
         maxReplicas: {max}\n  behavior:\n    scaleDown:\n      stabilizationWindowSeconds: 0\n  metrics:\n    - type: External\n      \
         external:\n        metric:\n          name: almanac_replicas\n          selector:\n            matchLabels:\n              \
         workload: {workload}\n        target:\n          type: AverageValue\n          averageValue: \"1\"\n",
        min = spec.replicas_min,
        max = spec.replicas_max,
        workload = quoted(&spec.name),
        url = scaling_url(spec),
    );
    Patch { format: "kubernetes/hpa+yaml".to_owned(), body }
}

/// The plain `HorizontalPodAutoscaler` on processor use: the way back from a forecast.
pub(super) fn reactive_autoscaler(spec: &WorkloadSpec) -> Patch {
    let Names { object, namespace, deployment } = Names::of(spec);
    let body = format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: {object}\n  namespace: {namespace}\n\
         spec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: {deployment}\n  minReplicas: {min}\n  \
         maxReplicas: {max}\n  metrics:\n    - type: Resource\n      resource:\n        name: cpu\n        target:\n          \
         type: Utilization\n          averageUtilization: {target:.0}\n",
        min = spec.replicas_min,
        max = spec.replicas_max,
        target = 100.0 * spec.target_utilization,
    );
    Patch { format: "kubernetes/hpa+yaml".to_owned(), body }
}

/// A KEDA `ScaledObject` with one cron trigger for each hour of the day: the most of that hour in the
/// schedule, for clusters that may not poll. None without a schedule or when a day is not one of 24 hours.
#[must_use]
pub fn cron_scaled_object(spec: &WorkloadSpec, schedule: &Schedule) -> Option<Patch> {
    if spec.day_ms != DAY_MS {
        return None;
    }
    let mut by_hour = [spec.replicas_min; 24];
    let mut at_ms = schedule.slots.first()?.from_ms;
    while at_ms < schedule.until_ms {
        let hour = DateTime::from_timestamp_millis(at_ms)?.hour() as usize;
        by_hour[hour] = by_hour[hour].max(schedule.at(at_ms)?);
        at_ms += HOUR_MS / 4;
    }
    let mut body = header(spec, &Names::of(spec));
    body.push_str("  triggers:\n");
    for (hour, replicas) in by_hour.iter().enumerate() {
        let end = (hour + 1) % 24;
        let _ = write!(
            body,
            "    - type: cron\n      metadata:\n        timezone: Etc/UTC\n        start: 0 {hour} * * *\n        end: 0 {end} * * *\n        \
             desiredReplicas: \"{replicas}\"\n"
        );
    }
    Some(Patch { format: "keda/cron+yaml".to_owned(), body })
}

fn header(spec: &WorkloadSpec, names: &Names) -> String {
    let Names { object, namespace, deployment } = names;
    format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata:\n  name: {object}\n  namespace: {namespace}\nspec:\n  \
         scaleTargetRef:\n    name: {deployment}\n  minReplicaCount: {min}\n  maxReplicaCount: {max}\n",
        min = spec.replicas_min,
        max = spec.replicas_max,
    )
}

struct Names {
    object: String,
    namespace: String,
    deployment: String,
}

impl Names {
    fn of(spec: &WorkloadSpec) -> Self {
        Self {
            object: quoted(&dns_label(&spec.name)),
            namespace: quoted(&spec.namespace),
            deployment: quoted(spec.deployment.as_deref().unwrap_or(&spec.name)),
        }
    }
}

/// The address of the workload's number; what is not plain in a path is escaped.
fn scaling_url(spec: &WorkloadSpec) -> String {
    let mut url = format!("{}/v1/scaling/", spec.service_url.trim_end_matches('/'));
    for byte in spec.name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// A name that Kubernetes takes for an object: lowercase letters, digits and hyphens (RFC 1123).
fn dns_label(name: &str) -> String {
    let plain: String =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "workload".to_owned() } else { plain.to_owned() }
}

/// A string in YAML: JSON's notation is valid there.
pub(in crate::advise) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{super::ScheduleSlot, *};

    #[test]
    fn names_become_what_kubernetes_takes() {
        for (name, label) in [("api", "api"), ("API v2", "api-v2"), ("--", "workload"), ("a/b.c", "a-b-c")] {
            assert_eq!(dns_label(name), label);
        }
        let spec = WorkloadSpec::new("a b/ü", "demand");
        assert_eq!(scaling_url(&spec), "http://almanac:9797/v1/scaling/a%20b%2F%C3%BC");
    }

    #[test]
    fn hours_have_the_most_that_they_need() {
        let spec = WorkloadSpec::new("api", "demand");
        let slots = vec![
            ScheduleSlot { from_ms: 0, replicas: 2 },
            ScheduleSlot { from_ms: HOUR_MS + HOUR_MS / 2, replicas: 7 },
            ScheduleSlot { from_ms: 3 * HOUR_MS, replicas: 3 },
        ];
        let schedule = Schedule { slots, until_ms: DAY_MS, quantile: 0.95, model: "m".into(), coverage: 0.95 };
        let body = cron_scaled_object(&spec, &schedule).unwrap().body;
        let desired: Vec<&str> =
            body.lines().filter_map(|line| line.trim().strip_prefix("desiredReplicas: ")).collect();
        assert_eq!(desired[..4], ["\"2\"", "\"7\"", "\"7\"", "\"3\""]);
        assert_eq!(desired.len(), 24);
        let short_days = WorkloadSpec { day_ms: 600_000, ..spec };
        assert_eq!(cron_scaled_object(&short_days, &schedule), None);
    }
}
