//! Evaluates instant selectors: the newest sample of each series within the look-back, at each step.

use super::SelectedSeries;
use crate::{
    series::is_stale,
    signal::{
        EvalLimits, SignalError,
        frame::{ABSENT, Frame, RowLabels, StepGrid, is_histogram},
        native,
        plan::Selector,
        time::QueryTimes,
        window::interpolated,
    },
};

/// The field of a sample that an instant selector returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum SampleField {
    Value,
    /// Time in epoch seconds.
    Timestamp,
}

/// Returns the newest sample of each series at each step: at or before the time of the selector, and newer than the
/// look-back. A stale marker counts as no value.
///
/// # Errors
/// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(in crate::signal) fn instant_frame(
    selected: SelectedSeries<'_>,
    selector: &Selector,
    grid: &StepGrid,
    query_times: &QueryTimes,
    field: SampleField,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let mut frame = Frame::for_rows(selected.len(), grid.steps, limits);
    frame.distinct = selected.loaded.one_metric;
    let times: Vec<i64> = grid.times().map(|time| query_times.shifted(selector.shift, time)).collect();
    for series in selected.iter() {
        limits.check_cells(frame.cells.len() + grid.steps)?;
        let row = frame.push_absent(RowLabels::selected(series.labels.clone(), limits.delays_names));
        // `next` is the first sample after the current time. Times never decrease, so that it only moves forward.
        let mut next = first_after(&series.timestamps, times.first().copied().unwrap_or(i64::MAX));
        for (cell, time) in frame.row_mut(row).iter_mut().zip(&times) {
            while series.timestamps.get(next).is_some_and(|timestamp| timestamp <= time) {
                next += 1;
            }
            let Some(newest) = next.checked_sub(1) else { continue };
            let (timestamp, value) = (series.timestamps[newest], series.values[newest]);
            if timestamp <= time.saturating_sub(query_times.lookback_ms) {
                continue;
            }
            *cell = match field {
                _ if is_stale(value) => ABSENT,
                SampleField::Value => value,
                SampleField::Timestamp => seconds(timestamp),
            };
        }
        frame.pop_if_absent();
    }
    Ok(frame)
}

/// Returns the value of each series at each step by linear interpolation between the neighbouring samples, which are at
/// most a look-back away. Without a later sample the value is that of the newest one.
///
/// # Errors
/// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(in crate::signal) fn smoothed_frame(
    selected: SelectedSeries<'_>,
    selector: &Selector,
    grid: &StepGrid,
    query_times: &QueryTimes,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let mut frame = Frame::for_rows(selected.len(), grid.steps, limits);
    frame.distinct = selected.loaded.one_metric;
    for series in selected.iter() {
        limits.check_cells(frame.cells.len() + grid.steps)?;
        let row = frame.push_absent(RowLabels::selected(series.labels.clone(), limits.delays_names));
        let kept = series.timestamps.iter().zip(&series.values).filter(|(_, value)| !is_stale(**value));
        let samples: Vec<(i64, f64)> = kept.map(|(at, value)| (*at, *value)).collect();
        let has_histograms = samples.iter().any(|(_, value)| is_histogram(*value));
        let row_name = series.labels.metric_name().to_owned();
        for (cell, time) in frame.row_mut(row).iter_mut().zip(grid.times()) {
            let time = query_times.shifted(selector.shift, time);
            let after = samples.partition_point(|(at, _)| *at < time);
            let is_near = |at: i64| at.abs_diff(time) <= query_times.lookback_ms.unsigned_abs();
            let next = samples.get(after).filter(|(at, _)| is_near(*at));
            // The look-back excludes its left end.
            let before = after.checked_sub(1).map(|idx| samples[idx]);
            let before = before.filter(|(at, _)| *at > time.saturating_sub(query_times.lookback_ms));
            if has_histograms {
                let (start, end) =
                    (time.saturating_sub(query_times.lookback_ms), time.saturating_add(query_times.lookback_ms));
                let first = samples.partition_point(|(at, _)| *at <= start);
                let near = &samples[first..samples.partition_point(|(at, _)| *at <= end).max(first)];
                *cell = native::smoothed(near, (before, next.copied()), time, &row_name, selector.start, limits);
                continue;
            }
            *cell = match (before, next) {
                (_, Some((at, value))) if *at == time => *value,
                (Some(before), Some(next)) => interpolated(before, *next, time, false),
                (Some((_, value)), None) => value,
                (None, _) => ABSENT,
            };
        }
        frame.pop_if_absent();
    }
    Ok(frame)
}

/// Returns the index of the first sample after a time.
fn first_after(timestamps: &[i64], time: i64) -> usize {
    timestamps.partition_point(|timestamp| *timestamp <= time)
}

#[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
fn seconds(timestamp_ms: i64) -> f64 {
    timestamp_ms as f64 / 1000.0
}
