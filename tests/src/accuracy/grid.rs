//! Converts time spans into steps.

use almanac_models::Step;

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// Returns the number of steps in `span_ms`, at least one.
#[must_use]
pub fn steps(span_ms: i64, step: Step) -> usize {
    usize::try_from(span_ms / step.millis()).unwrap_or(0).max(1)
}
