//! Quantities with a unit, validated when they are constructed, so that kernels need not check them.

mod level;
mod offsets;
mod time;

pub use level::Level;
pub use offsets::{LocalGrid, UtcOffsets};
pub use time::{Horizon, Step, Timestamp};

/// A value outside the range of its unit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A step is at least one millisecond.
    #[error("step of {millis} ms is not positive")]
    Step {
        /// The rejected length in milliseconds.
        millis: i64,
    },
    /// A forecast covers at least one step.
    #[error("horizon of {steps} steps is not between 1 and 1,000,000")]
    Horizon {
        /// The rejected number of steps.
        steps: usize,
    },
    /// A probability level lies strictly between 0 and 1.
    #[error("level {level} is not between 0 and 1, both excluded")]
    Level {
        /// The rejected level as a fraction.
        level: f64,
    },
}
