//! The probability level of intervals.

use serde::{Deserialize, Serialize};

use super::UnitError;

/// Probability that an interval contains the value: a fraction strictly between 0 and 1.
///
/// ```
/// use almanac_models::Level;
/// assert_eq!(Level::from_percent(95.0).unwrap().fraction(), 0.95);
/// assert!(Level::try_new(1.0).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Level(f64);

impl Level {
    /// Returns the level for a fraction.
    ///
    /// # Errors
    /// [`UnitError::Level`] when `fraction` is not strictly between 0 and 1.
    pub fn try_new(fraction: f64) -> Result<Self, UnitError> {
        if fraction > 0.0 && fraction < 1.0 { Ok(Self(fraction)) } else { Err(UnitError::Level { level: fraction }) }
    }

    /// Returns the level for a percentage such as 80 or 95.
    ///
    /// # Errors
    /// [`UnitError::Level`] when `percent` is not strictly between 0 and 100.
    pub fn from_percent(percent: f64) -> Result<Self, UnitError> {
        Self::try_new(percent / 100.0)
    }

    /// Returns the fraction, such as 0.95.
    #[must_use]
    pub fn fraction(self) -> f64 {
        self.0
    }

    /// Returns the level in percent, such as 95, rounded to four decimals.
    #[must_use]
    pub fn percent(self) -> f64 {
        (self.0 * 1e6).round() / 1e4
    }
}

impl TryFrom<f64> for Level {
    type Error = UnitError;

    fn try_from(fraction: f64) -> Result<Self, UnitError> {
        Self::try_new(fraction)
    }
}

impl From<Level> for f64 {
    fn from(level: Level) -> f64 {
        level.0
    }
}
