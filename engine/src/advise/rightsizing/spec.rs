//! Specification of a container in the configuration.

use serde::{Deserialize, Deserializer, de};

use super::{ContainerResource, CoveringOptions};
use crate::{
    advise::{
        AdvisorSpec, Metric,
        kit::{Section, check_expr, duration_text, millis},
    },
    ledger::Direction,
};

/// Metric of a request recommendation: idle share of the request.
pub(super) const IDLE_SHARE: Metric = Metric { name: "idle_share", unit: "1", better: Direction::Lower };
/// Metric of recommendations of older releases: idle capacity in units of the mean usage, plus the cost of time above
/// the request.
pub(super) const REQUEST_COST: Metric = Metric { name: "request_cost", unit: "1", better: Direction::Lower };
/// Minimum relative difference of two distinct requests, as the vertical pod autoscaler's update threshold.
pub(super) const MOVED: f64 = 0.1;

const DAY_MS: i64 = 86_400_000;

/// A container to advise on; plain data from the configuration.
///
/// Each expression returns one series. Use the busiest of several replicas, such as `max(…)`, because a request applies
/// to each of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerSpec {
    /// Name; recommendations use it as the first part of their target.
    pub name: String,
    /// PromQL of the CPU usage of one replica, in cores.
    pub cpu: Option<String>,
    /// PromQL of the memory usage of one replica, in bytes.
    pub memory: Option<String>,
    /// PromQL of the present CPU request, in cores; a number is valid PromQL.
    pub cpu_request: Option<String>,
    /// PromQL of the present memory request, in bytes; a number is valid PromQL.
    pub memory_request: Option<String>,
    /// Cost of an hour with CPU usage above the request, in hours of idle mean usage; none: the default.
    pub above_cost_ratio: Option<f64>,
    /// Minimum CPU request, in cores; none: 10 millicores.
    #[serde(deserialize_with = "cores")]
    pub cpu_min: Option<f64>,
    /// Minimum memory request, in bytes; none: 16 MiB.
    #[serde(deserialize_with = "bytes")]
    pub memory_min: Option<f64>,
    /// Price of a core per hour, in any currency. If given, recommendations name the saving or cost per month.
    pub cpu_price: Option<f64>,
    /// Price of a GiB of memory per hour, likewise.
    pub memory_price: Option<f64>,
    /// Step of the usage, milliseconds.
    #[serde(rename = "step", deserialize_with = "millis")]
    pub step_ms: i64,
    /// Span of the history, milliseconds.
    #[serde(rename = "history", deserialize_with = "millis")]
    pub history_ms: i64,
    /// Length of a day of the load, milliseconds: 24 hours except for sped-up replays.
    #[serde(rename = "day", deserialize_with = "millis")]
    pub day_ms: i64,
    /// Kubernetes namespace for the patches.
    pub namespace: String,
    /// Name of the deployment; none: the container's name.
    pub deployment: Option<String>,
}

impl Default for ContainerSpec {
    fn default() -> Self {
        Self::new("")
    }
}

impl AdvisorSpec for ContainerSpec {
    fn section() -> Option<Section<Self>> {
        Some(Section::new("container", &["name"]))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), String> {
        let exprs = [
            ("cpu", &self.cpu),
            ("memory", &self.memory),
            ("cpu_request", &self.cpu_request),
            ("memory_request", &self.memory_request),
        ];
        for (key, expr) in exprs {
            check_expr(expr.as_deref()).map_err(|message| format!("{key}: {message}"))?;
        }
        if self.cpu.is_none() && self.memory.is_none() {
            return Err("write cpu or memory, an expression of the usage of a replica".to_owned());
        }
        if self.history_ms < 4 * self.day_ms {
            return Err("history is shorter than four days, which is too short to learn from".to_owned());
        }
        let numbers = [
            ("above_cost_ratio", self.above_cost_ratio),
            ("cpu_min", self.cpu_min),
            ("memory_min", self.memory_min),
            ("cpu_price", self.cpu_price),
            ("memory_price", self.memory_price),
        ];
        let is_wrong = |value: f64| !(value > 0.0 && value.is_finite());
        if let Some((key, _)) = numbers.iter().find(|(_, value)| value.is_some_and(is_wrong)) {
            return Err(format!("{key} is not a positive number"));
        }
        Ok(())
    }

    fn explain(&self) -> String {
        let part = |resource: ContainerResource, usage: &str| {
            let present = match self.request(resource) {
                Some(request) => format!("at present {request}"),
                None => format!("the present one is unknown without {resource}_request"),
            };
            format!("{resource} from {usage} ({present})")
        };
        let resources = [ContainerResource::Cpu, ContainerResource::Memory];
        let parts: Vec<String> =
            resources.iter().filter_map(|resource| Some(part(*resource, self.usage(*resource)?))).collect();
        format!("Recommends requests over the last {}: {}.", duration_text(self.history_ms), parts.join(", "))
    }
}

/// An amount of CPU or memory: a number of cores or bytes, or text as Kubernetes writes it, such as `500m` or `512Mi`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum ConfiguredAmount {
    Number(f64),
    Text(String),
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D, resource: ContainerResource) -> Result<Option<f64>, D::Error> {
    match ConfiguredAmount::deserialize(deserializer)? {
        ConfiguredAmount::Number(amount) => Ok(Some(amount)),
        ConfiguredAmount::Text(text) => resource.parse(&text).map(Some).map_err(de::Error::custom),
    }
}

fn cores<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    amount(deserializer, ContainerResource::Cpu)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    amount(deserializer, ContainerResource::Memory)
}

impl ContainerSpec {
    /// Creates a container of this name with five-minute steps, four weeks of history and no other settings.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cpu: None,
            memory: None,
            cpu_request: None,
            memory_request: None,
            above_cost_ratio: None,
            cpu_min: None,
            memory_min: None,
            cpu_price: None,
            memory_price: None,
            step_ms: 300_000,
            history_ms: 28 * DAY_MS,
            day_ms: DAY_MS,
            namespace: "default".to_owned(),
            deployment: None,
        }
    }

    /// Returns the usage expression of a resource.
    #[must_use]
    pub fn usage(&self, resource: ContainerResource) -> Option<&str> {
        match resource {
            ContainerResource::Cpu => self.cpu.as_deref(),
            ContainerResource::Memory => self.memory.as_deref(),
        }
    }

    /// Returns the expression of the present request of a resource.
    #[must_use]
    pub fn request(&self, resource: ContainerResource) -> Option<&str> {
        match resource {
            ContainerResource::Cpu => self.cpu_request.as_deref(),
            ContainerResource::Memory => self.memory_request.as_deref(),
        }
    }

    /// Returns the target of a resource's recommendation, such as `api/cpu`.
    #[must_use]
    pub fn target(&self, resource: ContainerResource) -> String {
        format!("{}/{resource}", self.name)
    }

    /// Converts a time in the load's days to days of 24 hours, which the rules use.
    #[must_use]
    pub fn in_whole_days(&self, at_ms: i64) -> i64 {
        rescaled(at_ms, DAY_MS, self.day_ms)
    }

    /// Converts a time in days of 24 hours to the load's days.
    #[must_use]
    pub fn in_own_days(&self, at_ms: i64) -> i64 {
        rescaled(at_ms, self.day_ms, DAY_MS)
    }

    /// Returns the options of the rule, with the present version deployed at `deployed_ms`.
    #[must_use]
    pub fn options(&self, resource: ContainerResource, deployed_ms: Option<i64>) -> CoveringOptions {
        let usual = CoveringOptions::new(resource);
        let ratio = self.above_cost_ratio.map(|ratio| ratio / CoveringOptions::new(ContainerResource::Cpu).above_cost);
        let least = match resource {
            ContainerResource::Cpu => self.cpu_min,
            ContainerResource::Memory => self.memory_min,
        };
        CoveringOptions {
            above_cost: usual.above_cost * ratio.unwrap_or(1.0),
            deployed_ms,
            least: least.unwrap_or(usual.least),
            peak_ms: self.in_whole_days(self.history_ms),
            ..usual
        }
    }
}

fn rescaled(at_ms: i64, to: i64, from: i64) -> i64 {
    let scaled = i128::from(at_ms) * i128::from(to) / i128::from(from.max(1));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}
