use super::{
    math::quantile,
    regression::regression,
    summation::{Kahan, Mean},
};
use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame},
    plan::OverTime,
    select::{RangeRows, Window},
};

/// One of the functions that look at every sample of a window, for every series at every step.
pub(in crate::signal) fn over_time(
    function: OverTime,
    range: &RangeRows<'_>,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let frame = match function {
        OverTime::Avg => each(range, limits, |w| mean(w.values)),
        OverTime::Min => each(range, limits, |w| w.values[extreme(w.values, |new, old| new < old)]),
        OverTime::Max => each(range, limits, |w| w.values[extreme(w.values, |new, old| new > old)]),
        OverTime::TsOfMin => each(range, limits, |w| seconds(w.timestamps[extreme(w.values, |new, old| new <= old)])),
        OverTime::TsOfMax => each(range, limits, |w| seconds(w.timestamps[extreme(w.values, |new, old| new >= old)])),
        OverTime::Sum => each(range, limits, |w| sum(w.values)),
        OverTime::Count => each(range, limits, |w| count(w.values.len())),
        OverTime::First => each(range, limits, |w| w.values[0]),
        OverTime::Last => each(range, limits, |w| w.values[w.values.len() - 1]),
        OverTime::TsOfFirst => each(range, limits, |w| seconds(w.timestamps[0])),
        OverTime::TsOfLast => each(range, limits, |w| seconds(w.timestamps[w.timestamps.len() - 1])),
        OverTime::Present => each(range, limits, |_| 1.0),
        OverTime::Stddev => each(range, limits, |w| variance(w.values).sqrt()),
        OverTime::Stdvar => each(range, limits, |w| variance(w.values)),
        OverTime::Mad => {
            let mut buffer = Vec::new();
            each(range, limits, |w| median_absolute_deviation(w.values, &mut buffer))
        }
        OverTime::Changes => each(range, limits, |w| count(pairs(w.values, |before, after| changed(before, after)))),
        OverTime::Resets => each(range, limits, |w| count(pairs(w.values, |before, after| after < before))),
        OverTime::Deriv => {
            each(range, limits, |w| if w.values.len() < 2 { ABSENT } else { regression(w, w.timestamps[0]).slope })
        }
    }?;
    match function {
        OverTime::First | OverTime::Last => Ok(frame),
        _ => frame.drop_names_strictly(),
    }
}

/// `quantile_over_time`; `level` has one quantile for each step.
pub(in crate::signal) fn quantile_over_time(
    level: &[f64],
    range: &RangeRows<'_>,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let mut buffer = Vec::new();
    let frame = each(range, limits, |w| {
        buffer.clear();
        buffer.extend_from_slice(w.values);
        quantile(level[w.step], &mut buffer)
    })?;
    frame.drop_names_strictly()
}

/// Whether each series has samples in the window of each step; names are kept.
pub(in crate::signal) fn present(range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    each(range, limits, |_| 1.0)
}

pub(super) fn each(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    mut value: impl FnMut(&Window<'_>) -> f64,
) -> Result<Frame, SignalError> {
    let mut frame = Frame::new(range.windows.grid.steps);
    frame.distinct = range.distinct;
    for row in &range.rows {
        limits.check_cells(frame.cells.len() + frame.steps)?;
        let cells = frame.push_absent(row.labels.clone());
        range.windows.fill(row, frame.row_mut(cells), &mut value);
        frame.pop_if_absent();
    }
    Ok(frame)
}

fn sum(values: &[f64]) -> f64 {
    let mut sum = Kahan::default();
    values.iter().for_each(|value| sum.add(*value));
    sum.total()
}

fn mean(values: &[f64]) -> f64 {
    let mut mean = Mean::default();
    values.iter().for_each(|value| mean.add(*value));
    mean.value()
}

/// Index of the value that beats those before it; NaN is beaten by everything.
fn extreme(values: &[f64], beats: impl Fn(f64, f64) -> bool) -> usize {
    let mut best = 0;
    for (idx, value) in values.iter().enumerate() {
        if beats(*value, values[best]) || values[best].is_nan() {
            best = idx;
        }
    }
    best
}

/// The population variance.
///
/// # Reference
/// Welford (1962), with compensated sums.
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares, mut n) = (Kahan::default(), Kahan::default(), 0.0);
    for value in values {
        n += 1.0;
        let delta = value - mean.plain();
        mean.add(delta / n);
        squares.add(delta * (value - mean.plain()));
    }
    squares.plain() / n
}

fn median_absolute_deviation(values: &[f64], buffer: &mut Vec<f64>) -> f64 {
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    buffer.clear();
    buffer.extend_from_slice(values);
    let median = quantile(0.5, buffer);
    buffer.iter_mut().for_each(|value| *value = (*value - median).abs());
    quantile(0.5, buffer)
}

fn pairs(values: &[f64], counts: impl Fn(f64, f64) -> bool) -> usize {
    values.windows(2).filter(|pair| counts(pair[0], pair[1])).count()
}

#[expect(clippy::float_cmp, reason = "PromQL compares floats exactly")]
fn changed(before: f64, after: f64) -> bool {
    before != after && !(before.is_nan() && after.is_nan())
}

#[expect(clippy::cast_precision_loss, reason = "windows hold fewer than 2^53 samples")]
fn count(samples: usize) -> f64 {
    samples as f64
}

#[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
fn seconds(timestamp_ms: i64) -> f64 {
    timestamp_ms as f64 / 1000.0
}
