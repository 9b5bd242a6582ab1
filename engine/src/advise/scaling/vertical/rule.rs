/// What a container asks its node for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerResource {
    /// Processors, in cores: what exceeds the request waits.
    Cpu,
    /// Memory, in bytes: what exceeds the request is killed.
    Memory,
}

/// A rule for the request of one container, driven step by step: [`RequestRule::request`], then
/// [`RequestRule::observe`] of the same step.
pub trait RequestRule {
    /// The request from `at_ms` on, with `current` in force; only usage already observed is known. None while there is
    /// nothing to say.
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64>;

    /// The usage at `at_ms`.
    fn observe(&mut self, at_ms: i64, usage: f64);
}
