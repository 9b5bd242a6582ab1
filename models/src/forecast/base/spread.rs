use crate::forecast::{Forecast, Interval};
use crate::stats::quantile_sorted;
use crate::{Horizon, Level};

/// The forecast of a series that never changed: its value, for sure.
pub(super) fn constant(value: f64, horizon: Horizon, levels: &[Level]) -> Forecast {
    let ends = || vec![value; horizon.steps()];
    let intervals = levels.iter().map(|&level| Interval { level, lower: ends(), upper: ends() }).collect();
    Forecast { point: ends(), intervals }
}

/// A course with intervals from the errors made one step ahead.
///
/// `course`: by lead, in the model's own space; `spread`: standard deviation of its error by lead, in that of one error;
/// `surprises`: errors one step ahead, sorted; `shown`: from the model's space to the unit of the series, ascending.
pub(super) fn around(
    course: &[f64],
    spread: &[f64],
    surprises: &[f64],
    levels: &[Level],
    shown: impl Fn(f64) -> f64,
) -> Forecast {
    let point: Vec<f64> = course.iter().map(|v| shown(*v)).collect();
    let end = |p: f64, hold: fn(f64, f64) -> f64| -> Vec<f64> {
        let error = quantile_sorted(surprises, p).unwrap_or(0.0);
        let ends = course.iter().zip(spread).map(|(v, s)| shown(v + s * error));
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
