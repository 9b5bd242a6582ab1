//! Linear regression and exponential smoothing of the samples of a window: `predict_linear`, `deriv`,
//! `double_exponential_smoothing`.

use super::windows::each_window;
use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame},
    native,
    summation::Kahan,
    window::{RangeRows, SampleWindow},
};

/// A regression line.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegressionLine {
    /// Change of the value per second.
    pub(super) slope: f64,
    /// Value at the origin of time.
    pub(super) intercept: f64,
}

/// Fits a line to the samples of a window by least squares, with the origin of time at `origin_ms`.
#[expect(clippy::cast_precision_loss, reason = "windows are shorter than 2^53 ms")]
#[expect(clippy::float_cmp, reason = "constant means bit for bit here")]
pub(super) fn regression(window: &SampleWindow<'_>, origin_ms: i64) -> RegressionLine {
    let first = window.values[0];
    if window.values.iter().all(|value| *value == first) {
        // Of constant values the formula would return 0/0 for infinities, else rounding errors.
        let value = if first.is_infinite() { f64::NAN } else { first };
        return RegressionLine { slope: if first.is_infinite() { f64::NAN } else { 0.0 }, intercept: value };
    }
    let (mut x, mut y, mut xy, mut xx) = (Kahan::default(), Kahan::default(), Kahan::default(), Kahan::default());
    for (timestamp, value) in window.timestamps.iter().zip(window.values) {
        let seconds = timestamp.saturating_sub(origin_ms) as f64 / 1000.0;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let n = window.values.len() as f64;
    let (x, y, xy, xx) = (x.plain(), y.plain(), xy.plain(), xx.plain());
    let slope = (xy - x * y / n) / (xx - x * x / n);
    RegressionLine { slope, intercept: y / n - slope * x / n }
}

/// `predict_linear`. `ahead`: seconds into the future, one number for each step.
pub(super) fn predict_linear(ahead: &[f64], range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    let floats = native::floats_of(range, limits);
    let range = floats.as_ref().unwrap_or(range);
    let frame = each_window(range, limits, |w| {
        if w.values.len() < 2 {
            return ABSENT;
        }
        let line = regression(w, range.windows.grid.time(w.step));
        line.slope * ahead[w.step] + line.intercept
    })?;
    frame.drop_names_strictly()
}

/// `double_exponential_smoothing`. `smoothing` and `trend`: one factor in (0, 1) for each step.
///
/// # Errors
/// [`SignalError::Argument`] if a factor is not in (0, 1).
///
/// # Reference
/// Holt (1957), linear exponential smoothing.
pub(super) fn double_exponential_smoothing(
    smoothing: &[f64],
    trend: &[f64],
    range: &RangeRows<'_>,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    for (name, factors) in [("smoothing", smoothing), ("trend", trend)] {
        if let Some(wrong) = factors.iter().find(|factor| !(**factor > 0.0 && **factor < 1.0)) {
            return Err(SignalError::Argument {
                function: "double_exponential_smoothing",
                message: format!("the {name} factor {wrong} is not between 0 and 1"),
            });
        }
    }
    let floats = native::floats_of(range, limits);
    let range = floats.as_ref().unwrap_or(range);
    let frame = each_window(range, limits, |w| holt(w.values, smoothing[w.step], trend[w.step]))?;
    frame.drop_names_strictly()
}

/// Returns the smoothed level after the last value; [`ABSENT`] for fewer than two values.
fn holt(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let [first, second, ..] = values else { return ABSENT };
    let (mut level, mut slope) = (*first, second - first);
    for (idx, value) in values.iter().enumerate().skip(1) {
        let before = level;
        level = smoothing * value + (1.0 - smoothing) * (level + slope);
        // The trend for the next value is updated from the last two levels.
        if idx + 1 < values.len() {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
    }
    level
}
