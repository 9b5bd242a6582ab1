//! Stabilises scaling in. Used by the reactive and the predictive rule.

use std::collections::VecDeque;

/// Replicas wanted over the last window. Scaling in goes no lower than their maximum.
///
/// # Reference
/// Kubernetes documentation, "Horizontal Pod Autoscaling", `behavior.scaleDown.stabilizationWindowSeconds`.
#[derive(Debug, Clone)]
pub(super) struct ScaleInWindow {
    window_ms: i64,
    /// Monotonic queue: timestamps ascending, replicas descending; the front is the maximum.
    wanted: VecDeque<(i64, u32)>,
}

impl ScaleInWindow {
    pub(super) fn new(window_ms: i64) -> Self {
        Self { window_ms, wanted: VecDeque::new() }
    }

    /// Adds `wanted` at `at_ms` and returns the maximum over the window that ends there.
    pub(super) fn most(&mut self, at_ms: i64, wanted: u32) -> u32 {
        while self.wanted.back().is_some_and(|&(_, replicas)| replicas <= wanted) {
            self.wanted.pop_back();
        }
        self.wanted.push_back((at_ms, wanted));
        while self.wanted.front().is_some_and(|&(made_ms, _)| made_ms <= at_ms - self.window_ms)
            && self.wanted.len() > 1
        {
            self.wanted.pop_front();
        }
        self.wanted.front().map_or(wanted, |&(_, replicas)| replicas)
    }
}
