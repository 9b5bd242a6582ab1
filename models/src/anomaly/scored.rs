//! The result of a detector for one value.

use serde::{Deserialize, Serialize};

/// Kind of departure from the expected value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The single value departs from the values just before it, or further than any before.
    #[default]
    Value,
    /// The value departs from the level of the series at this phase of its seasons.
    Level,
    /// The value belongs to a drift whose values are inside the band of single values.
    Drift,
    /// The series is constant for longer than ever, or varies far less than ever.
    FlatLine,
}

/// Score of one value, with the band it was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Expected value, in the unit of the series.
    pub expected: f64,
    /// Lower end of the band outside of which the score is above 1; NaN before the detector is warm and for a missing
    /// value.
    pub lower: f64,
    /// Upper end of that band; NaN likewise.
    pub upper: f64,
    /// At least 0; above 1 is an anomaly; 0 before the detector is warm and for missing values.
    pub score: f64,
    /// Kind of departure that the score measures.
    #[serde(default)]
    pub kind: Kind,
}

impl Scored {
    /// Largest score.
    pub const LARGEST: f64 = 1e6;

    /// Scores another value of the same instant against the same band; NaN scores 0.
    #[must_use]
    pub fn for_value(&self, value: f64) -> Self {
        let half = if value >= self.expected { self.upper - self.expected } else { self.expected - self.lower };
        let score = (value - self.expected).abs() / half;
        // Without a band or a value the ratio is NaN.
        let score = if score.is_nan() { 0.0 } else { score.min(Self::LARGEST) };
        Self { score, ..*self }
    }

    /// Whether the value is an anomaly.
    #[must_use]
    pub fn is_anomaly(&self) -> bool {
        self.score > 1.0
    }

    /// Returns a score of 0 without a band, for a missing value or a detector that is not warm.
    pub(crate) fn unknown(expected: f64) -> Self {
        Self { expected, lower: f64::NAN, upper: f64::NAN, score: 0.0, kind: Kind::Value }
    }
}
