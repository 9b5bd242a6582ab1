//! What a user writes of a container whose requests are wanted.

use serde::{Deserialize, Deserializer, de};

use super::{ContainerResource, CoveringOptions};
use crate::{
    advise::{
        AdvisorSpec, Metric,
        kit::{Section, check_expr, millis},
    },
    ledger::Direction,
};

/// What a recommendation on a request promises: the share of it that idles.
pub(super) const IDLE_SHARE: Metric = Metric { name: "idle_share", unit: "1", better: Direction::Lower };
/// What recommendations of older releases promise: what idles in units of the mean usage, and the time above the request at its price.
pub(super) const REQUEST_COST: Metric = Metric { name: "request_cost", unit: "1", better: Direction::Lower };
/// Share by which a request must differ from another to be another, as the vertical pod autoscaler's update threshold.
pub(super) const MOVED: f64 = 0.1;

const DAY_MS: i64 = 86_400_000;

/// A container whose requests are wanted, and what is known of it; plain data, from the configuration.
///
/// Expressions give one series: of several replicas the busiest, such as `max(…)`, for a request holds for each of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerSpec {
    /// Name, under which the recommendations stand.
    pub name: String,
    /// PromQL of the processors that one replica uses, in cores.
    pub cpu: Option<String>,
    /// PromQL of the memory that one replica uses, in bytes.
    pub memory: Option<String>,
    /// PromQL of the present request, in cores; a number is one.
    pub cpu_request: Option<String>,
    /// PromQL of the present request, in bytes; a number is one.
    pub memory_request: Option<String>,
    /// What an hour with CPU usage above the request costs, in hours of the mean usage idling; none: the usual.
    pub above_cost_ratio: Option<f64>,
    /// The least request of CPU that is recommended, in cores; none: the usual, 10 millicores.
    #[serde(deserialize_with = "cores")]
    pub cpu_min: Option<f64>,
    /// The least request of memory that is recommended, in bytes; none: the usual, 16 MiB.
    #[serde(deserialize_with = "bytes")]
    pub memory_min: Option<f64>,
    /// Price of a core for an hour, in any currency; given, recommendations name what they save or cost a month.
    pub cpu_price: Option<f64>,
    /// Price of a GiB of memory for an hour, likewise.
    pub memory_price: Option<f64>,
    /// Step of the usage.
    #[serde(rename = "step", deserialize_with = "millis")]
    pub step_ms: i64,
    /// How much history is read.
    #[serde(rename = "history", deserialize_with = "millis")]
    pub history_ms: i64,
    /// Length of a day of the load, 24 hours but for sped-up replays.
    #[serde(rename = "day", deserialize_with = "millis")]
    pub day_ms: i64,
    /// Namespace for the patches.
    pub namespace: String,
    /// Name of the deployment; none: the container's.
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
            return Err("write cpu or memory, an expression of what a replica uses".to_owned());
        }
        if self.history_ms < 4 * self.day_ms {
            return Err("history is shorter than four days, of which it cannot learn".to_owned());
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
}

/// An amount of CPU or memory: a number of cores or bytes, or text as Kubernetes writes it, such as `500m` or `512Mi`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(f64),
    Text(String),
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D, resource: ContainerResource) -> Result<Option<f64>, D::Error> {
    match Amount::deserialize(deserializer)? {
        Amount::Number(amount) => Ok(Some(amount)),
        Amount::Text(text) => resource.parse(&text).map(Some).map_err(de::Error::custom),
    }
}

fn cores<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    amount(deserializer, ContainerResource::Cpu)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    amount(deserializer, ContainerResource::Memory)
}

impl ContainerSpec {
    /// A container of this name with nothing known, five-minute steps and four weeks of history.
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

    /// The expression of the usage of a resource, if there is one.
    #[must_use]
    pub fn usage(&self, resource: ContainerResource) -> Option<&str> {
        match resource {
            ContainerResource::Cpu => self.cpu.as_deref(),
            ContainerResource::Memory => self.memory.as_deref(),
        }
    }

    /// The expression of its present request, if there is one.
    #[must_use]
    pub fn request(&self, resource: ContainerResource) -> Option<&str> {
        match resource {
            ContainerResource::Cpu => self.cpu_request.as_deref(),
            ContainerResource::Memory => self.memory_request.as_deref(),
        }
    }

    /// Under which name a resource's recommendation stands: `api/cpu`.
    #[must_use]
    pub fn target(&self, resource: ContainerResource) -> String {
        format!("{}/{resource}", self.name)
    }

    /// A time on the load's days as that of days of 24 hours, in which the rules reckon.
    #[must_use]
    pub fn in_whole_days(&self, at_ms: i64) -> i64 {
        rescaled(at_ms, DAY_MS, self.day_ms)
    }

    /// The reverse of [`ContainerSpec::in_whole_days`].
    #[must_use]
    pub fn in_own_days(&self, at_ms: i64) -> i64 {
        rescaled(at_ms, self.day_ms, DAY_MS)
    }

    /// How the rule is set up, the present version being deployed at `deployed_ms`.
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
