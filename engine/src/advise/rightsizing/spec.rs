//! What a user writes of a container whose requests are wanted.

use super::{ContainerResource, CoveringOptions};

const DAY_MS: i64 = 86_400_000;

/// A container whose requests are wanted, and what is known of it; plain data, from the configuration.
///
/// Expressions give one series: of several replicas the busiest, such as `max(…)`, for a request holds for each of them.
#[derive(Debug, Clone, PartialEq)]
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
    pub cpu_min: Option<f64>,
    /// The least request of memory that is recommended, in bytes; none: the usual, 16 MiB.
    pub memory_min: Option<f64>,
    /// Price of a core for an hour, in any currency; given, recommendations name what they save or cost a month.
    pub cpu_price: Option<f64>,
    /// Price of a GiB of memory for an hour, likewise.
    pub memory_price: Option<f64>,
    /// Step of the usage.
    pub step_ms: i64,
    /// How much history is read.
    pub history_ms: i64,
    /// Length of a day of the load, 24 hours but for sped-up replays.
    pub day_ms: i64,
    /// Namespace for the patches.
    pub namespace: String,
    /// Name of the deployment; none: the container's.
    pub deployment: Option<String>,
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
