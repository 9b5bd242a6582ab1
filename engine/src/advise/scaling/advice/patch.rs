//! Patches of a workload's autoscaler for Kubernetes and KEDA.

use std::fmt::Write;

use chrono::{DateTime, Timelike};
use serde_json::{Value, json};

use super::Schedule;
use crate::{
    advise::{
        kit::kubernetes_patch,
        scaling::{Decision, WorkloadSpec},
    },
    store::rows::Patch,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Returns a KEDA `ScaledObject` that polls `/v1/scaling/{workload}`.
///
/// The metric is the number of replicas and its target is 1, so that the autoscaler's formula returns that number. When
/// the service does not respond, the fallback is the replica count of the busiest scheduled hour. A service that the
/// cluster can reach requires a token, so the patch names the secret that contains it.
///
/// # Reference
/// KEDA documentation, `metrics-api` scaler and `ScaledObject` specification.
#[must_use]
pub fn keda_scaled_object(spec: &WorkloadSpec, decision: &Decision, schedule: Option<&Schedule>) -> Patch {
    let highest = schedule.and_then(|schedule| schedule.slots.iter().map(|slot| slot.replicas).max());
    let fallback = highest.unwrap_or(0).max(decision.replicas);
    let polling = (spec.step_ms / 1_000).clamp(5, 30);
    let mut object = scaled_object(spec);
    object["spec"]["pollingInterval"] = json!(polling);
    object["spec"]["fallback"] = json!({"failureThreshold": 3, "replicas": fallback});
    // No stabilisation in the autoscaler: the rule has its own scale-in window.
    object["spec"]["advanced"] =
        json!({"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}});
    object["spec"]["triggers"] = json!([{
        "type": "metrics-api",
        "metadata": {
            "url": scaling_url(spec), "valueLocation": "replicas", "targetValue": "1", "authMode": "bearer",
        },
        "authenticationRef": {"name": "almanac"},
    }]);
    let authentication = json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": {"name": "almanac", "namespace": spec.namespace},
        "spec": {"secretTargetRef": [{"parameter": "token", "name": "almanac", "key": "token"}]},
    });
    let secret = "The service's token, in the secret \"almanac\" under the key \"token\".";
    kubernetes_patch("keda/scaledobject+yaml", &[("", object), (secret, authentication)])
}

/// Returns a `HorizontalPodAutoscaler` on an external metric with the number of replicas. The cluster needs an adapter
/// that serves that metric.
#[must_use]
pub fn horizontal_pod_autoscaler(spec: &WorkloadSpec) -> Patch {
    let metric = json!({"name": "almanac_replicas", "selector": {"matchLabels": {"workload": spec.name}}});
    let mut object = autoscaler(spec);
    object["spec"]["behavior"] = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    object["spec"]["metrics"] = json!([{
        "type": "External",
        "external": {"metric": metric, "target": {"type": "AverageValue", "averageValue": "1"}},
    }]);
    let url = scaling_url(spec);
    let needs = format!("Needs an adapter for external metrics that reads {url} (field replicas) as almanac_replicas.");
    kubernetes_patch("kubernetes/hpa+yaml", &[(needs.as_str(), object)])
}

/// Returns a plain `HorizontalPodAutoscaler` on CPU utilisation: the rollback of a forecast rule.
pub(super) fn reactive_autoscaler(spec: &WorkloadSpec) -> Patch {
    #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
    let target = (100.0 * spec.target_utilization).round() as i64;
    let mut object = autoscaler(spec);
    object["spec"]["metrics"] = json!([{
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
    }]);
    kubernetes_patch("kubernetes/hpa+yaml", &[("", object)])
}

/// Returns a KEDA `ScaledObject` with one cron trigger per hour of the day, each with the maximum of that hour in the
/// schedule, for clusters that may not poll. None for an empty schedule or days of another length than 24 hours.
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
    let trigger = |(hour, replicas): (usize, &u32)| {
        json!({
            "type": "cron",
            "metadata": {
                "timezone": "Etc/UTC",
                "start": format!("0 {hour} * * *"),
                "end": format!("0 {} * * *", (hour + 1) % 24),
                "desiredReplicas": replicas.to_string(),
            },
        })
    };
    let mut object = scaled_object(spec);
    object["spec"]["triggers"] = by_hour.iter().enumerate().map(trigger).collect();
    Some(kubernetes_patch("keda/cron+yaml", &[("", object)]))
}

/// Returns a `ScaledObject` without triggers.
fn scaled_object(spec: &WorkloadSpec) -> Value {
    let deployment = spec.deployment.as_deref().unwrap_or(&spec.name);
    json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": dns_label(&spec.name), "namespace": spec.namespace},
        "spec": {
            "scaleTargetRef": {"name": deployment},
            "minReplicaCount": spec.replicas_min,
            "maxReplicaCount": spec.replicas_max,
        },
    })
}

/// Returns a `HorizontalPodAutoscaler` without metrics.
fn autoscaler(spec: &WorkloadSpec) -> Value {
    let deployment = spec.deployment.as_deref().unwrap_or(&spec.name);
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": dns_label(&spec.name), "namespace": spec.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
            "minReplicas": spec.replicas_min,
            "maxReplicas": spec.replicas_max,
        },
    })
}

/// Returns the URL of the workload's replica count. Bytes that are not unreserved in a path are percent-encoded.
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

/// Returns a valid Kubernetes object name: lower-case letters, digits and hyphens (RFC 1123).
fn dns_label(name: &str) -> String {
    let plain: String =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "workload".to_owned() } else { plain.to_owned() }
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
    fn names_stay_text_whatever_they_are() {
        for name in ["api", "yes", "007", "a: b", "x #y", "\"q\"", "null"] {
            let body = horizontal_pod_autoscaler(&WorkloadSpec::new(name, "demand")).body;
            let read: Value = serde_saphyr::from_str(&body).unwrap();
            assert_eq!(read["spec"]["scaleTargetRef"]["name"], name, "{body}");
        }
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
        let read: Value = serde_saphyr::from_str(&body).unwrap();
        let triggers = read["spec"]["triggers"].as_array().unwrap();
        let desired: Vec<&str> =
            triggers.iter().map(|trigger| trigger["metadata"]["desiredReplicas"].as_str().unwrap()).collect();
        assert_eq!((&desired[..4], desired.len()), (&["2", "7", "7", "3"][..], 24));
        let short_days = WorkloadSpec { day_ms: 600_000, ..spec };
        assert_eq!(cron_scaled_object(&short_days, &schedule), None);
    }
}
