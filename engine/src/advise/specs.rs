use super::{rightsizing::ContainerSpec, scaling::WorkloadSpec, threshold::RuleSpec, ttl::CacheSpec};

/// Everything that advice is wanted on; plain data, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct AdviceSpecs {
    /// Workloads to scale.
    pub workloads: Vec<WorkloadSpec>,
    /// Containers whose requests are wanted.
    pub containers: Vec<ContainerSpec>,
    /// Caches with a time-to-live.
    pub caches: Vec<CacheSpec>,
    /// Alerting rules that compare a signal with a constant.
    pub rules: Vec<RuleSpec>,
    /// Whether their bounds may move, by hour of week or with what is expected.
    pub moving_bounds: bool,
}
