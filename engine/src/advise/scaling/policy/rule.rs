//! The interface of every scaling rule.

use crate::advise::scaling::Pool;

/// A scaling rule. It is driven step by step: [`Policy::decide`], then [`Policy::observe`] of the same step.
pub trait Policy {
    /// Returns the replicas wanted from `at_ms` on. Uses only demand observed before.
    fn decide(&mut self, at_ms: i64, pool: &Pool) -> u32;

    /// Adds the demand at `at_ms`, carried forward if it was missing.
    fn observe(&mut self, at_ms: i64, demand: f64, observed: bool);
}
