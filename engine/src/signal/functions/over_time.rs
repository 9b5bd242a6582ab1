//! Functions of all samples of a window: `avg_over_time` and its relatives, `changes`, `resets`, `deriv`.

use super::{
    math::{check_levels, quantile},
    regression::regression,
    windows::{each_extended, each_row, each_window},
};
use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame, is_histogram},
    native,
    summation::{Kahan, Mean},
    window::{RangeRow, RangeRows, SampleWindow},
};

/// The functions of all samples of a range.
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

/// Computes a function of all samples of a window, for every series at each step.
///
/// # Errors
/// [`SignalError::DuplicateLabels`], [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(super) fn over_time(function: OverTime, range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    let floats = match function {
        OverTime::Avg
        | OverTime::Sum
        | OverTime::Count
        | OverTime::First
        | OverTime::Last
        | OverTime::Present
        | OverTime::TsOfFirst
        | OverTime::TsOfLast
        | OverTime::Changes
        | OverTime::Resets => None,
        _ => native::floats_of(range, limits),
    };
    let range = floats.as_ref().unwrap_or(range);
    let frame =
        match function {
            OverTime::Avg | OverTime::Sum if range.rows.iter().any(RangeRow::has_histograms) => {
                with_histograms(function, range, limits)
            }
            OverTime::Avg => each_window(range, limits, |w| mean(w.values)),
            OverTime::Min => sliding_extreme(range, limits, |new, old| new < old),
            OverTime::Max => sliding_extreme(range, limits, |new, old| new > old),
            OverTime::TsOfMin => {
                each_window(range, limits, |w| seconds(w.timestamps[extreme(w.values, |new, old| new <= old)]))
            }
            OverTime::TsOfMax => {
                each_window(range, limits, |w| seconds(w.timestamps[extreme(w.values, |new, old| new >= old)]))
            }
            OverTime::Sum => each_window(range, limits, |w| sum(w.values)),
            OverTime::Count => each_window(range, limits, |w| count(w.values.len())),
            OverTime::First => each_window(range, limits, |w| w.values[0]),
            OverTime::Last => each_window(range, limits, |w| w.values[w.values.len() - 1]),
            OverTime::TsOfFirst => each_window(range, limits, |w| seconds(w.timestamps[0])),
            OverTime::TsOfLast => each_window(range, limits, |w| seconds(w.timestamps[w.timestamps.len() - 1])),
            OverTime::Present => each_window(range, limits, |_| 1.0),
            OverTime::Stddev => each_window(range, limits, |w| variance(w.values).sqrt()),
            OverTime::Stdvar => each_window(range, limits, |w| variance(w.values)),
            OverTime::Mad => {
                let mut buffer = Vec::new();
                each_window(range, limits, |w| median_absolute_deviation(w.values, &mut buffer))
            }
            OverTime::Changes if range.windows.extension.is_some() => {
                each_extended(range, limits, |_, w| Some(count(native::counted_changes(anchored(w)?, false, limits))))
            }
            OverTime::Resets if range.windows.extension.is_some() => {
                each_extended(range, limits, |_, w| Some(count(native::counted_changes(anchored(w)?, true, limits))))
            }
            OverTime::Changes => {
                each_window(range, limits, |w| count(native::counted_changes(w.values, false, limits)))
            }
            OverTime::Resets => each_window(range, limits, |w| count(native::counted_changes(w.values, true, limits))),
            OverTime::Deriv => each_window(range, limits, |w| {
                if w.values.len() < 2 { ABSENT } else { regression(w, w.timestamps[0]).slope }
            }),
        }?;
    // Only the first and the last value have the meaning of the metric itself.
    match function {
        OverTime::First | OverTime::Last => Ok(frame),
        _ => frame.drop_names_strictly(),
    }
}

/// `sum_over_time` and `avg_over_time` of a range with histograms.
fn with_histograms(function: OverTime, range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    let is_mean = function == OverTime::Avg;
    each_row(range, limits, |row, cells| {
        range.windows.fill(row, cells, |window| {
            if window.values.iter().any(|value| is_histogram(*value)) {
                native::over_window(window, row, is_mean, range.at, limits)
            } else if is_mean {
                mean(window.values)
            } else {
                sum(window.values)
            }
        });
    })
}

/// `quantile_over_time`. `level` has one quantile for each step; `at` is its position in the text of the query.
pub(super) fn quantile_over_time(
    level: &[f64],
    at: usize,
    range: &RangeRows<'_>,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    if range.rows.iter().any(|row| !row.values.is_empty()) {
        check_levels(level, at, limits);
    }
    let floats = native::floats_of(range, limits);
    let range = floats.as_ref().unwrap_or(range);
    let mut buffer = Vec::new();
    let frame = each_window(range, limits, |w| {
        buffer.clear();
        buffer.extend_from_slice(w.values);
        quantile(level[w.step], &mut buffer)
    })?;
    frame.drop_names_strictly()
}

/// Returns 1 for each series and step with samples in the window. Keeps the metric names.
pub(super) fn present(range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    each_window(range, limits, |_| 1.0)
}

/// Returns the minimum or maximum of each window. While the best sample of a window is in the next one, only new
/// samples are compared, so that long windows at short steps are not searched again.
fn sliding_extreme(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    beats: impl Fn(f64, f64) -> bool,
) -> Result<Frame, SignalError> {
    each_row(range, limits, |row, cells| {
        // Indices of the best sample and of the first sample that was not compared yet.
        let (mut best, mut unseen) = (0, 0);
        range.windows.fill(row, cells, |w| {
            // The best sample has left the window: all its samples are compared again.
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

/// Returns the compensated sum.
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
    // The sum overflowed; the incremental mean does not.
    let mut mean = Mean::default();
    values.iter().for_each(|value| mean.add(*value));
    mean.value()
}

/// Returns the index of the best value; any value beats NaN.
fn extreme(values: &[f64], beats: impl Fn(f64, f64) -> bool) -> usize {
    let mut best = 0;
    for (idx, value) in values.iter().enumerate() {
        if beats(*value, values[best]) || values[best].is_nan() {
            best = idx;
        }
    }
    best
}

/// Returns the population variance.
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

/// Returns the values within a window and the newest one at or before its start; `None` if none is after the start.
fn anchored<'a>(window: &SampleWindow<'a>) -> Option<&'a [f64]> {
    let inside = window.timestamps.partition_point(|t| *t <= window.start_ms);
    (inside < window.values.len()).then(|| &window.values[inside.saturating_sub(1)..])
}

#[expect(clippy::cast_precision_loss, reason = "windows hold fewer than 2^53 samples")]
fn count(samples: usize) -> f64 {
    samples as f64
}

#[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
fn seconds(timestamp_ms: i64) -> f64 {
    timestamp_ms as f64 / 1000.0
}
