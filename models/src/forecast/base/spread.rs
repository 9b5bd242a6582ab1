//! Builds forecasts with uncalibrated intervals from a model's course and its one-step errors.

use crate::forecast::{Forecast, Interval};
use crate::stats::quantile_sorted;
use crate::{Horizon, Level};

/// Returns the forecast of a constant series: its value, with intervals of width 0.
pub(super) fn constant_forecast(value: f64, horizon: Horizon, levels: &[Level]) -> Forecast {
    let ends = || vec![value; horizon.steps()];
    let intervals = levels.iter().map(|&level| Interval { level, lower: ends(), upper: ends() }).collect();
    Forecast { point: ends(), intervals }
}

/// Returns a forecast with intervals from one-step errors.
///
/// `course`: by lead, in transformed units; `spread`: standard deviation of the error by lead, relative to one step;
/// `innovations`: one-step errors, sorted; `to_unit`: increasing map from transformed units to those of the series.
pub(super) fn with_intervals(
    course: &[f64],
    spread: &[f64],
    innovations: &[f64],
    levels: &[Level],
    to_unit: impl Fn(f64) -> f64,
) -> Forecast {
    let point: Vec<f64> = course.iter().map(|v| to_unit(*v)).collect();
    let end = |p: f64, hold: fn(f64, f64) -> f64| -> Vec<f64> {
        let error = quantile_sorted(innovations, p).unwrap_or(0.0);
        let ends = course.iter().zip(spread).map(|(v, s)| to_unit(v + s * error));
        ends.zip(&point).map(|(e, p)| hold(e, *p)).collect()
    };
    let intervals = levels
        .iter()
        .map(|&level| {
            let tail = 0.5 * (1.0 - level.fraction());
            Interval { level, lower: end(tail, f64::min), upper: end(1.0 - tail, f64::max) }
        })
        .collect();
    Forecast { point, intervals }
}
