//! Straight lines and exponential smoothing through the samples of a window.

use super::{over_time::each, summation::Kahan};
use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame},
    window::{RangeRows, Window},
};

/// A straight line: value per second, and the value at the origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// Least squares through the samples of a window, with the origin at `origin_ms`.
#[expect(clippy::cast_precision_loss, reason = "windows are shorter than 2^53 ms")]
#[expect(clippy::float_cmp, reason = "constant means bit for bit here")]
pub(super) fn regression(window: &Window<'_>, origin_ms: i64) -> Line {
    let first = window.values[0];
    if window.values.iter().all(|value| *value == first) {
        // The formula would give 0/0 for infinities and noise for the rest.
        let value = if first.is_infinite() { f64::NAN } else { first };
        return Line { slope: if first.is_infinite() { f64::NAN } else { 0.0 }, intercept: value };
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
    Line { slope, intercept: y / n - slope * x / n }
}

/// `predict_linear`; `ahead` has the seconds to look ahead at each step.
pub(super) fn predict_linear(ahead: &[f64], range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    let frame = each(range, limits, |w| {
        if w.values.len() < 2 {
            return ABSENT;
        }
        let line = regression(w, range.windows.grid.time(w.step));
        line.slope * ahead[w.step] + line.intercept
    })?;
    frame.drop_names_strictly()
}

/// `double_exponential_smoothing` with a smoothing and a trend factor for each step, both in (0, 1).
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
    let frame = each(range, limits, |w| holt(w.values, smoothing[w.step], trend[w.step]))?;
    frame.drop_names_strictly()
}

fn holt(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let [first, second, ..] = values else { return ABSENT };
    let (mut level, mut slope) = (*first, second - first);
    for (idx, value) in values.iter().enumerate().skip(1) {
        let before = level;
        level = smoothing * value + (1.0 - smoothing) * (level + slope);
        // The slope used for the next value is updated from the last two levels.
        if idx + 1 < values.len() {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
    }
    level
}
