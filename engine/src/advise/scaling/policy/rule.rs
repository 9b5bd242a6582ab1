//! The interface of every scaling rule.

use crate::advise::scaling::Pool;

/// A scaling rule, driven step by step: [`Policy::decide`], then [`Policy::observe`] of the same step.
pub trait Policy {
    /// The replicas wanted from `at_ms` on; only demand already observed is known.
    fn decide(&mut self, at_ms: i64, pool: &Pool) -> u32;

    /// The demand at `at_ms`, carried forward when it was missing.
    fn observe(&mut self, at_ms: i64, demand: f64, observed: bool);
}
