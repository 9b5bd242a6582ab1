//! Specification of a workload in the configuration.

use std::collections::HashSet;

use serde::Deserialize;

use super::{FIRST_RESOURCE, PoolRules, ResourceSpec, USUAL_TARGET};
use crate::{
    advise::{
        AdvisorSpec, Metric,
        kit::{Section, check_expr, duration_text, millis, percent},
    },
    calendar::Zone,
    ledger::Direction,
};

/// Metric of a scaling recommendation.
pub(super) const UNDER_PROVISIONED: Metric =
    Metric { name: "under_provisioned_share", unit: "1", better: Direction::Lower };

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Default number of changes per day, one in six minutes. Tried values: `docs/tuning/scaling.md`.
pub const CHANGES_PER_DAY: u32 = 240;

/// A workload to advise on; plain data from the configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkloadSpec {
    /// Name, as in `/v1/scaling/{workload}`.
    pub name: String,
    /// PromQL of the demand, such as requests per second over all replicas.
    pub demand: String,
    /// PromQL of the ready replicas; none: the pool's own figures are omitted.
    pub replicas: Option<String>,
    /// PromQL of the mean CPU use of a replica as a share of its limit, in [0, 1]. The capacity is learned from it if
    /// it is not stated.
    pub cpu: Option<String>,
    /// PromQL of the response time, in any unit.
    pub latency: Option<String>,
    /// Maximum latency, in the same unit; none: only saturation bounds the capacity.
    pub latency_max: Option<f64>,
    /// Demand that one replica serves; none: learned from demand and replicas, and CPU or latency.
    pub capacity_per_replica: Option<f64>,
    /// Further resources that replicas share. The resource that needs the most replicas decides at each step.
    pub resources: Vec<ResourceSpec>,
    /// Share of the capacity to use, in (0, 1]. A lower share gives more replicas under every rule.
    pub target_utilization: f64,
    /// Time from requesting a replica until it serves, milliseconds.
    #[serde(rename = "startup", deserialize_with = "millis")]
    pub startup_ms: i64,
    /// Minimum number of replicas.
    pub replicas_min: u32,
    /// Maximum number of replicas.
    pub replicas_max: u32,
    /// Maximum number of replicas added in one step.
    pub scale_out_max: Option<u32>,
    /// Maximum number of replicas removed in one step.
    pub scale_in_max: Option<u32>,
    /// Maximum number of scale-ins in any day. Every change counts against it, but scaling out is never limited.
    pub changes_per_day_max: u32,
    /// Cost of a unit of unserved demand relative to a unit of idle capacity; none: the price is fitted to the present
    /// rule's spending.
    pub unserved_cost_ratio: Option<f64>,
    /// Price of a replica per hour, in any currency. If given, recommendations name the saving or cost per month.
    pub replica_price: Option<f64>,
    /// Step of decisions and of the history, milliseconds.
    #[serde(rename = "step", deserialize_with = "millis")]
    pub step_ms: i64,
    /// Span of the history, milliseconds.
    #[serde(rename = "history", deserialize_with = "millis")]
    pub history_ms: i64,
    /// Span of the schedule, milliseconds.
    #[serde(rename = "horizon", deserialize_with = "millis")]
    pub horizon_ms: i64,
    /// Length of the day that demand follows, milliseconds; a week is seven days. The demo's day is ten minutes.
    #[serde(rename = "day", deserialize_with = "millis")]
    pub day_ms: i64,
    /// Minimum wait before a scale-in, milliseconds; Kubernetes waits five minutes.
    #[serde(rename = "scale_in_stabilization", deserialize_with = "millis")]
    pub scale_in_stabilization_ms: i64,
    /// Time zone of the days; none: UTC.
    #[serde(skip)]
    pub zone: Option<Zone>,
    /// Kubernetes namespace of the deployment, for the patches.
    pub namespace: String,
    /// Name of the deployment, for the patches; none: the workload's name.
    pub deployment: Option<String>,
    /// URL at which an autoscaler reaches this service, for the patches.
    pub service_url: String,
}

impl Default for WorkloadSpec {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl AdvisorSpec for WorkloadSpec {
    fn section() -> Option<Section<Self>> {
        Some(Section::new("workload", &["name", "demand"]))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn set_zone(&mut self, zone: Option<Zone>) {
        self.zone = zone;
    }

    fn check(&self) -> Result<(), String> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !(self.target_utilization > 0.0 && self.target_utilization <= 1.0) {
            return Err(format!("target_utilization {} is not above 0 and at most 1", self.target_utilization));
        }
        let numbers = [
            ("capacity_per_replica", self.capacity_per_replica),
            ("unserved_cost_ratio", self.unserved_cost_ratio),
            ("latency_max", self.latency_max),
            ("replica_price", self.replica_price),
        ];
        if let Some((key, _)) = numbers.iter().find(|(_, value)| value.is_some_and(|value| !positive(value))) {
            return Err(format!("{key} is not a positive number"));
        }
        if self.replicas_min > self.replicas_max || self.replicas_max == 0 {
            return Err(format!(
                "replicas_min {} and replicas_max {} leave no number of replicas",
                self.replicas_min, self.replicas_max
            ));
        }
        let exprs = [
            ("demand", Some(self.demand.as_str())),
            ("replicas", self.replicas.as_deref()),
            ("cpu", self.cpu.as_deref()),
            ("latency", self.latency.as_deref()),
        ];
        for (key, expr) in exprs {
            check_expr(expr).map_err(|message| format!("{key}: {message}"))?;
        }
        if self.latency_max.is_some() && self.latency.is_none() {
            return Err("latency_max has no effect without latency".to_owned());
        }
        if self.latency_max.is_some() && self.capacity_per_replica.is_some() {
            return Err("latency_max has no effect beside capacity_per_replica, which is not learned".to_owned());
        }
        let mut names = HashSet::from([FIRST_RESOURCE, ""]);
        for ResourceSpec { name, demand, capacity_per_replica } in &self.resources {
            if !names.insert(name.trim()) {
                return Err(format!(
                    "resource {name:?}: the name is empty, used before, or {FIRST_RESOURCE:?}, the workload's own"
                ));
            }
            if !positive(*capacity_per_replica) {
                return Err(format!("resource {name:?}: capacity_per_replica is not a positive number"));
            }
            check_expr(Some(demand)).map_err(|message| format!("resource {name:?}: demand: {message}"))?;
        }
        Ok(())
    }

    fn explain(&self) -> String {
        let capacity = match (self.capacity_per_replica, &self.replicas, self.cpu.is_some(), self.latency.is_some()) {
            (Some(capacity), ..) => format!("{capacity}"),
            (None, Some(_), true, _) => "learned from its CPU".to_owned(),
            (None, Some(_), false, true) => "learned from its latency".to_owned(),
            _ => "unknown, so that nothing is recommended until you write capacity_per_replica, or replicas and cpu or latency"
                .to_owned(),
        };
        let further: Vec<&str> = self.resources.iter().map(|resource| resource.name.as_str()).collect();
        let further = if further.is_empty() { String::new() } else { format!(" and of {}", further.join(", ")) };
        format!(
            "Recommends {} to {} replicas from the last {} of {}{further}. A replica starts in {} and is used to {} % of its \
             capacity, which is {capacity}.",
            self.replicas_min,
            self.replicas_max,
            duration_text(self.history_ms),
            self.demand,
            duration_text(self.startup_ms),
            percent(self.target_utilization)
        )
    }
}

impl WorkloadSpec {
    /// Creates a workload with the defaults of the configuration: one-minute steps, 28 days of history, start-up of
    /// three minutes, target 0.7, 1 to 200 replicas, a schedule of 48 hours.
    #[must_use]
    pub fn new(name: impl Into<String>, demand: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            demand: demand.into(),
            replicas: None,
            cpu: None,
            latency: None,
            latency_max: None,
            capacity_per_replica: None,
            resources: Vec::new(),
            target_utilization: USUAL_TARGET,
            startup_ms: 3 * MINUTE_MS,
            replicas_min: 1,
            replicas_max: 200,
            scale_out_max: None,
            scale_in_max: None,
            changes_per_day_max: CHANGES_PER_DAY,
            unserved_cost_ratio: None,
            replica_price: None,
            step_ms: MINUTE_MS,
            history_ms: 28 * DAY_MS,
            horizon_ms: 2 * DAY_MS,
            day_ms: DAY_MS,
            scale_in_stabilization_ms: 5 * MINUTE_MS,
            zone: None,
            namespace: "default".to_owned(),
            deployment: None,
            service_url: "http://almanac:9797".to_owned(),
        }
    }

    /// Returns the pool's rules for a known capacity.
    #[must_use]
    pub fn pool_rules(&self, capacity: f64) -> PoolRules {
        PoolRules {
            capacity,
            target_utilization: self.target_utilization,
            startup_ms: self.startup_ms,
            replicas_min: self.replicas_min,
            replicas_max: self.replicas_max,
            scale_out_max: self.scale_out_max,
            scale_in_max: self.scale_in_max,
            changes_per_day_max: Some(self.changes_per_day_max),
        }
    }
}
