//! Spans in steps.

use almanac_models::Step;

/// A day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// Steps in so many milliseconds, at least one.
#[must_use]
pub fn steps(span_ms: i64, step: Step) -> usize {
    usize::try_from(span_ms / step.millis()).unwrap_or(0).max(1)
}
