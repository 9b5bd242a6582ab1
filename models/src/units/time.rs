//! Instants, steps and horizons, in milliseconds and steps.

use serde::{Deserialize, Serialize};

use super::UnitError;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, negative before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the instant `millis` after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns the instant `millis` later (earlier when negative); saturates at the ends of the range.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// Distance between neighbouring points of an evenly spaced series: at least one millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Step(i64);

impl Step {
    /// Returns a step of `millis` milliseconds.
    ///
    /// # Errors
    /// [`UnitError::Step`] when `millis` is not positive.
    pub const fn from_millis(millis: i64) -> Result<Self, UnitError> {
        if millis > 0 { Ok(Self(millis)) } else { Err(UnitError::Step { millis }) }
    }

    /// Returns the length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Step {
    type Error = UnitError;

    fn try_from(millis: i64) -> Result<Self, UnitError> {
        Self::from_millis(millis)
    }
}

impl From<Step> for i64 {
    fn from(step: Step) -> i64 {
        step.0
    }
}

/// Length of a forecast in steps: 1 to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct Horizon(usize);

impl Horizon {
    /// Returns a horizon of `steps` steps.
    ///
    /// # Errors
    /// [`UnitError::Horizon`] when `steps` is 0 or above a million.
    pub const fn try_new(steps: usize) -> Result<Self, UnitError> {
        if steps >= 1 && steps <= 1_000_000 { Ok(Self(steps)) } else { Err(UnitError::Horizon { steps }) }
    }

    /// Returns the number of steps.
    #[must_use]
    pub const fn steps(self) -> usize {
        self.0
    }
}

impl TryFrom<usize> for Horizon {
    type Error = UnitError;

    fn try_from(steps: usize) -> Result<Self, UnitError> {
        Self::try_new(steps)
    }
}

impl From<Horizon> for usize {
    fn from(horizon: Horizon) -> usize {
        horizon.0
    }
}
