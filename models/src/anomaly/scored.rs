use serde::{Deserialize, Serialize};

/// How a value departed from what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It stands out by itself, against the values just before it or further than any ever did.
    #[default]
    Value,
    /// It is away from where the series is at this phase of its seasons.
    Level,
    /// It belongs to values that drift away, each of them inside the band of single values.
    Drift,
    /// The series stands still as it never did, or varies far less than ever.
    FlatLine,
}

/// What a detector says of one value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The value expected, in the unit of the series.
    pub expected: f64,
    /// Lower end of the band outside of which the score is above 1; NaN before the detector is warm and for a missing
    /// value.
    pub lower: f64,
    /// Upper end of that band, NaN likewise.
    pub upper: f64,
    /// At least 0; above 1 is an anomaly; 0 before the detector is warm and for missing values.
    pub score: f64,
    /// The kind of departure that the score measures.
    #[serde(default)]
    pub kind: Kind,
}

impl Scored {
    /// No score is larger.
    pub const LARGEST: f64 = 1e6;

    /// What the same band says of another value at the same instant; NaN scores 0.
    #[must_use]
    pub fn for_value(&self, value: f64) -> Self {
        let half = if value >= self.expected { self.upper - self.expected } else { self.expected - self.lower };
        let score = (value - self.expected).abs() / half;
        // Without a band, or without a value, nothing is odd.
        let score = if score.is_nan() { 0.0 } else { score.min(Self::LARGEST) };
        Self { score, ..*self }
    }

    /// Whether the value is an anomaly.
    #[must_use]
    pub fn is_anomaly(&self) -> bool {
        self.score > 1.0
    }

    /// Nothing can be said yet of this value, or there is none.
    pub(crate) fn unknown(expected: f64) -> Self {
        Self { expected, lower: f64::NAN, upper: f64::NAN, score: 0.0, kind: Kind::Value }
    }
}
