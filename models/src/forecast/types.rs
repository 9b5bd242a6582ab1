//! Forecasts, prediction intervals and accuracy figures that every model returns.

use serde::{Deserialize, Serialize};

use crate::Level;

/// A central prediction interval at one level, in the unit of the series. Entry `k` is `k + 1` steps ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Nominal probability that the interval contains the value.
    pub level: Level,
    /// Lower ends, never above the point forecast.
    pub lower: Vec<f64>,
    /// Upper ends, never below the point forecast.
    pub upper: Vec<f64>,
}

/// Point forecasts with their intervals; entry `k` is `k + 1` steps after the last value of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Point forecasts in the unit of the series: the mean for sparse counts, otherwise close to the median.
    pub point: Vec<f64>,
    /// One entry for each requested level, in the requested order.
    pub intervals: Vec<Interval>,
}

impl Forecast {
    /// Returns the interval at `level`, or `None` if it was not requested.
    #[must_use]
    pub fn interval(&self, level: Level) -> Option<&Interval> {
        self.intervals.iter().find(|interval| (interval.level.fraction() - level.fraction()).abs() < 1e-9)
    }
}

/// Accuracy of a model at the end of its own history, measured by forecasts from rolling origins whose outcomes were
/// held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Number of forecast origins; 0 when the history is too short to measure.
    pub origins: usize,
    /// Mean absolute error divided by that of the in-sample seasonal naive forecast; `None` when not measurable.
    pub mase: Option<f64>,
    /// Share of held-out values inside the 80 % interval, which is calibrated without them.
    pub coverage_80: Option<f64>,
    /// Share of held-out values inside the 95 % interval, which is calibrated without them.
    pub coverage_95: Option<f64>,
}
