//! Forecasts and their intervals, as every model gives them.

use serde::{Deserialize, Serialize};

use crate::Level;

/// A central prediction interval at one level, in the unit of the series, one entry a step ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// The probability that the interval promises.
    pub level: Level,
    /// Lower ends, never above the point forecast.
    pub lower: Vec<f64>,
    /// Upper ends, never below the point forecast.
    pub upper: Vec<f64>,
}

/// Point forecasts with their intervals; entry `k` is `k + 1` steps after the last value of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Expected course, in the unit of the series: of sparse counts the mean, else close to the median.
    pub point: Vec<f64>,
    /// One entry for each level asked for, in that order.
    pub intervals: Vec<Interval>,
}

impl Forecast {
    /// The interval at `level`, when it was asked for.
    #[must_use]
    pub fn interval(&self, level: Level) -> Option<&Interval> {
        self.intervals.iter().find(|interval| (interval.level.fraction() - level.fraction()).abs() < 1e-9)
    }
}

/// How a model did on the end of its own history, forecasting from rolling origins that it had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Origins that were forecast from; 0 when the history is too short to measure.
    pub origins: usize,
    /// Mean absolute error over that of the in-sample seasonal naive forecast; `None` when not measurable.
    pub mase: Option<f64>,
    /// Share of held-out values inside the 80 % interval, intervals calibrated without them.
    pub coverage_80: Option<f64>,
    /// Share of held-out values inside the 95 % interval, intervals calibrated without them.
    pub coverage_95: Option<f64>,
}
