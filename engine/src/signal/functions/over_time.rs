//! Functions that look at every sample of a window.

use super::{
    math::quantile,
    regression::regression,
    summation::{Kahan, Mean},
};
use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame},
    window::{RangeRow, RangeRows, Window},
};

/// Functions of a range that look at every sample in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OverTime {
    Avg,
    Min,
    Max,
    Sum,
    Count,
    First,
    Last,
    Present,
    Stddev,
    Stdvar,
    Mad,
    Changes,
    Resets,
    Deriv,
    TsOfFirst,
    TsOfLast,
    TsOfMin,
    TsOfMax,
}

/// One of the functions that look at every sample of a window, for every series at every step.
pub(super) fn over_time(function: OverTime, range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    let frame = match function {
        OverTime::Avg => each(range, limits, |w| mean(w.values)),
        OverTime::Min => sliding_extreme(range, limits, |new, old| new < old),
        OverTime::Max => sliding_extreme(range, limits, |new, old| new > old),
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
        OverTime::Changes => each(range, limits, |w| count(pairs(w.values, changed))),
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
pub(super) fn quantile_over_time(
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
pub(super) fn present(range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    each(range, limits, |_| 1.0)
}

pub(super) fn each(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    mut value: impl FnMut(&Window<'_>) -> f64,
) -> Result<Frame, SignalError> {
    each_row(range, limits, |row, cells| range.windows.fill(row, cells, &mut value))
}

fn each_row(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    mut fill: impl FnMut(&RangeRow<'_>, &mut [f64]),
) -> Result<Frame, SignalError> {
    let mut frame = Frame::new(range.windows.grid.steps);
    frame.distinct = range.distinct;
    for row in &range.rows {
        limits.check_cells(frame.cells.len() + frame.steps)?;
        let cells = frame.push_absent(row.labels.clone());
        fill(row, frame.row_mut(cells));
        frame.pop_if_absent();
    }
    Ok(frame)
}

/// The least or greatest value of each window. While the best of one window is in the next, only
/// what is new there is compared: a day's window at every minute is not searched through each time.
fn sliding_extreme(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    beats: impl Fn(f64, f64) -> bool,
) -> Result<Frame, SignalError> {
    each_row(range, limits, |row, cells| {
        // The best sample and the first one not yet looked at, as indices into the series.
        let (mut best, mut unseen) = (0, 0);
        range.windows.fill(row, cells, |w| {
            if best < w.first || unseen == 0 {
                (best, unseen) = (w.first, w.first);
            }
            let after = w.first + w.values.len();
            for idx in unseen..after {
                if beats(row.values[idx], row.values[best]) || row.values[best].is_nan() {
                    best = idx;
                }
            }
            unseen = after;
            row.values[best]
        });
    })
}

fn sum(values: &[f64]) -> f64 {
    let mut sum = Kahan::default();
    values.iter().for_each(|value| sum.add(*value));
    sum.total()
}

fn mean(values: &[f64]) -> f64 {
    let mut sum = Kahan::default();
    values.iter().for_each(|value| sum.add(*value));
    if let Some(mean) = sum.over(count(values.len())) {
        return mean;
    }
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
