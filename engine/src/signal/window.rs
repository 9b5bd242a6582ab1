//! Range vectors: the windows of samples that functions such as `rate` read at each step.

use std::borrow::Cow;

use super::{
    Arena,
    frame::{Frame, RowLabels, StepGrid, is_absent, is_histogram},
    time::{Extension, QueryTimes, TimeShift},
};
use crate::series::{SeriesSamples, is_stale};

/// The samples of one series, without stale markers.
#[derive(Debug)]
pub(super) struct RangeRow<'a> {
    pub(super) labels: RowLabels,
    pub(super) timestamps: Cow<'a, [i64]>,
    pub(super) values: Cow<'a, [f64]>,
}

/// A range vector at each step: the samples of all series, and the window of each step.
#[derive(Debug)]
pub(super) struct RangeRows<'a> {
    pub(super) rows: Vec<RangeRow<'a>>,
    pub(super) windows: StepWindows,
    /// True if the labels of the rows are known to differ even without the metric name.
    pub(super) distinct: bool,
    /// First byte of the range vector in the text of the query.
    pub(super) at: usize,
}

/// The window of each step: its end, and the common length.
#[derive(Debug, Clone)]
pub(super) struct StepWindows {
    /// Evaluation times.
    pub(super) grid: StepGrid,
    /// End of the window of each step, in epoch milliseconds; ascending, repeated for a fixed time.
    pub(super) ends: Vec<i64>,
    /// Length of each window in milliseconds.
    pub(super) range_ms: i64,
    /// Modifier of the range, and the time in milliseconds for which it reads samples outside of the range.
    pub(super) extension: Option<(Extension, i64)>,
}

/// The samples of one series in `(start_ms, end_ms]`; never empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleWindow<'a> {
    pub(super) timestamps: &'a [i64],
    pub(super) values: &'a [f64],
    /// Index of the first sample in the series.
    pub(super) first: usize,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step: usize,
}

impl StepWindows {
    pub(super) fn new(grid: StepGrid, shift: TimeShift, range_ms: i64, query_times: &QueryTimes) -> Self {
        let ends = grid.times().map(|time| query_times.shifted(shift, time)).collect();
        Self { grid, ends, range_ms, extension: None }
    }

    /// Adds the modifier `anchored` or `smoothed`.
    pub(super) fn extended(self, extension: Option<Extension>, query_times: &QueryTimes) -> Self {
        Self { extension: extension.map(|extension| (extension, query_times.lookback_ms)), ..self }
    }

    /// Calls `value` with the samples of each step from a look-back before its window to its end, or for `smoothed` to a
    /// look-back after it. A result of `None` leaves the cell absent.
    pub(super) fn fill_extended(
        &self,
        row: &RangeRow<'_>,
        cells: &mut [f64],
        mut value: impl FnMut(&SampleWindow<'_>) -> Option<f64>,
    ) {
        let Some((extension, reach_ms)) = self.extension else { return };
        let timestamps = &*row.timestamps;
        for (step, (cell, end_ms)) in cells.iter_mut().zip(&self.ends).enumerate() {
            let start_ms = end_ms.saturating_sub(self.range_ms);
            let last_ms = if extension == Extension::Smoothed { end_ms.saturating_add(reach_ms) } else { *end_ms };
            let first = timestamps.partition_point(|t| *t <= start_ms.saturating_sub(reach_ms));
            let after = timestamps.partition_point(|t| *t <= last_ms);
            if first < after {
                let (timestamps, values) = (&timestamps[first..after], &row.values[first..after]);
                let window = SampleWindow { timestamps, values, first, start_ms, end_ms: *end_ms, step };
                if let Some(found) = value(&window) {
                    *cell = found;
                }
            }
        }
    }

    /// Calls `value` with the window of each step that has samples, and writes the results into `cells`.
    pub(super) fn fill(&self, row: &RangeRow<'_>, cells: &mut [f64], mut value: impl FnMut(&SampleWindow<'_>) -> f64) {
        let timestamps = &*row.timestamps;
        let Some(first_end) = self.ends.first() else { return };
        let mut first = timestamps.partition_point(|t| *t <= first_end.saturating_sub(self.range_ms));
        // Ends never decrease, so that both indices only move forward: linear in the samples.
        let mut after = first;
        for (step, (cell, end_ms)) in cells.iter_mut().zip(&self.ends).enumerate() {
            let start_ms = end_ms.saturating_sub(self.range_ms);
            while timestamps.get(first).is_some_and(|t| *t <= start_ms) {
                first += 1;
            }
            after = after.max(first);
            while timestamps.get(after).is_some_and(|t| t <= end_ms) {
                after += 1;
            }
            if first < after {
                *cell = value(&SampleWindow {
                    timestamps: &timestamps[first..after],
                    values: &row.values[first..after],
                    first,
                    start_ms,
                    end_ms: *end_ms,
                    step,
                });
            }
        }
    }
}

impl RangeRow<'_> {
    /// Whether any sample is a histogram.
    pub(super) fn has_histograms(&self) -> bool {
        self.values.iter().any(|value| is_histogram(*value))
    }
}

impl<'a> RangeRows<'a> {
    /// Creates windows over stored samples. `distinct`: whether the labels differ even without the metric name.
    /// `delays`: whether names are dropped from the result only.
    pub(super) fn stored(
        series: impl Iterator<Item = &'a SeriesSamples>,
        distinct: bool,
        delays: bool,
        windows: StepWindows,
    ) -> Self {
        let rows = series
            .map(|series| {
                let labels = RowLabels::selected(series.labels.clone(), delays);
                // Samples are copied only if stale markers must be removed.
                if series.values.iter().any(|value| is_stale(*value)) {
                    let kept = series.timestamps.iter().zip(&series.values).filter(|(_, value)| !is_stale(**value));
                    let (timestamps, values): (Vec<i64>, Vec<f64>) = kept.unzip();
                    RangeRow { labels, timestamps: timestamps.into(), values: values.into() }
                } else {
                    RangeRow {
                        labels,
                        timestamps: Cow::Borrowed(&series.timestamps),
                        values: Cow::Borrowed(&series.values),
                    }
                }
            })
            .collect();
        Self { rows, windows, distinct, at: 0 }
    }

    /// Creates windows over the results of a subquery.
    ///
    /// Steps may skip samples, so that the hints of histograms about the sample before them do not apply.
    pub(super) fn computed(frame: &Frame, inner: &StepGrid, windows: StepWindows, arena: &Arena) -> Self {
        let times: Vec<i64> = inner.times().collect();
        let rows = (0..frame.rows.len())
            .map(|row| {
                let kept = times.iter().zip(frame.row(row)).filter(|(_, cell)| !is_absent(**cell));
                let (timestamps, values): (Vec<i64>, Vec<f64>) =
                    kept.map(|(at, value)| (at, arena.without_hint(*value))).unzip();
                RangeRow { labels: frame.rows[row].clone(), timestamps: timestamps.into(), values: values.into() }
            })
            .collect();
        Self { rows, windows, distinct: frame.distinct, at: 0 }
    }
}

/// Returns the value between two samples at `time`. Of a counter that was reset between them, the first value is 0.
#[expect(clippy::cast_precision_loss, reason = "samples are less than 2^53 ms apart")]
pub(super) fn interpolated((from, first): (i64, f64), (to, last): (i64, f64), time: i64, is_counter: bool) -> f64 {
    let first = if is_counter && last < first { 0.0 } else { first };
    first + (last - first) * (time - from) as f64 / (to - from) as f64
}
