use super::scaling::WorkloadSpec;

/// Everything that advice is wanted on; plain data, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct AdviceSpecs {
    /// Workloads to scale.
    pub workloads: Vec<WorkloadSpec>,
}
