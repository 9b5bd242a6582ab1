//! Stabilises scaling in: a pool shrinks only to the most that was wanted over a window of time.

use std::collections::VecDeque;

/// The replicas wanted over the last window; scaling in goes no lower than the most of them.
///
/// # Reference
/// Kubernetes documentation, "Horizontal Pod Autoscaling", `behavior.scaleDown.stabilizationWindowSeconds`.
#[derive(Debug, Clone)]
pub(super) struct ScaleInWindow {
    window_ms: i64,
    /// Timestamps ascending and replicas descending: the front is the most.
    wanted: VecDeque<(i64, u32)>,
}

impl ScaleInWindow {
    pub(super) fn new(window_ms: i64) -> Self {
        Self { window_ms, wanted: VecDeque::new() }
    }

    /// The most replicas wanted over the window that ends with `wanted` at `at_ms`.
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
