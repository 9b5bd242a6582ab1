//! Applies a function to the windows of a range vector. Used by all functions of a range.

use crate::signal::{
    EvalLimits, SignalError,
    frame::Frame,
    window::{RangeRow, RangeRows, SampleWindow},
};

/// Computes a frame with `value` of the window of every series at each step.
///
/// # Errors
/// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(super) fn each_window(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    mut value: impl FnMut(&SampleWindow<'_>) -> f64,
) -> Result<Frame, SignalError> {
    each_row(range, limits, |row, cells| range.windows.fill(row, cells, &mut value))
}

/// Computes a frame with `value` of the samples of each step within reach of an `anchored` or `smoothed` range.
///
/// # Errors
/// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(super) fn each_extended(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    mut value: impl FnMut(&RangeRow<'_>, &SampleWindow<'_>) -> Option<f64>,
) -> Result<Frame, SignalError> {
    each_row(range, limits, |row, cells| range.windows.fill_extended(row, cells, |window| value(row, window)))
}

/// Computes a frame whose rows `fill` writes, one for each series. Rows without values are left out.
///
/// # Errors
/// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(super) fn each_row(
    range: &RangeRows<'_>,
    limits: &EvalLimits,
    mut fill: impl FnMut(&RangeRow<'_>, &mut [f64]),
) -> Result<Frame, SignalError> {
    let mut frame = Frame::for_rows(range.rows.len(), range.windows.grid.steps, limits);
    frame.distinct = range.distinct;
    for row in &range.rows {
        limits.check_cells(frame.cells.len() + frame.steps)?;
        let cells = frame.push_absent(row.labels.clone());
        fill(row, frame.row_mut(cells));
        frame.pop_if_absent();
    }
    Ok(frame)
}
