//! Range vectors: windows cut from the samples of series.

use std::borrow::Cow;

use super::{
    frame::{Frame, Grid, RowLabels, is_absent},
    time::{Clock, TimeShift},
};
use crate::series::{SeriesSamples, is_stale};

/// The samples of one series from which windows are cut; no stale markers among them.
#[derive(Debug)]
pub(super) struct RangeRow<'a> {
    pub(super) labels: RowLabels,
    pub(super) timestamps: Cow<'a, [i64]>,
    pub(super) values: Cow<'a, [f64]>,
}

/// A range vector at every step.
#[derive(Debug)]
pub(super) struct RangeRows<'a> {
    pub(super) rows: Vec<RangeRow<'a>>,
    pub(super) windows: Windows,
    /// True when the rows are known to differ even without the metric's name.
    pub(super) distinct: bool,
}

/// Where the window of each step ends, and how long it is.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    /// Evaluation times.
    pub(super) grid: Grid,
    /// The right end of each step's window, in epoch milliseconds; never decreasing.
    pub(super) ends: Vec<i64>,
    pub(super) range_ms: i64,
}

/// The samples of one series after `start_ms` and up to `end_ms`; never empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) timestamps: &'a [i64],
    pub(super) values: &'a [f64],
    /// Where the window begins in the series.
    pub(super) first: usize,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step: usize,
}

impl Windows {
    pub(super) fn new(grid: Grid, shift: TimeShift, range_ms: i64, clock: &Clock) -> Self {
        let ends = grid.times().map(|time| clock.shifted(shift, time)).collect();
        Self { grid, ends, range_ms }
    }

    /// Calls `value` with the window of every step that has samples and puts what it gives into `cells`.
    pub(super) fn fill(&self, row: &RangeRow<'_>, cells: &mut [f64], mut value: impl FnMut(&Window<'_>) -> f64) {
        let timestamps = &*row.timestamps;
        let Some(first_end) = self.ends.first() else { return };
        let mut first = timestamps.partition_point(|t| *t <= first_end.saturating_sub(self.range_ms));
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
                *cell = value(&Window {
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

impl<'a> RangeRows<'a> {
    /// Windows over stored samples; `distinct` when the series differ even without the metric's name.
    pub(super) fn stored(series: &'a [SeriesSamples], distinct: bool, windows: Windows) -> Self {
        let rows = series
            .iter()
            .map(|series| {
                let labels = RowLabels::new(series.labels.clone());
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
        Self { rows, windows, distinct }
    }

    /// Windows over the steps of a subquery.
    pub(super) fn computed(frame: &Frame, inner: &Grid, windows: Windows) -> Self {
        let times: Vec<i64> = inner.times().collect();
        let rows = (0..frame.rows.len())
            .map(|row| {
                let kept = times.iter().zip(frame.row(row)).filter(|(_, cell)| !is_absent(**cell));
                let (timestamps, values): (Vec<i64>, Vec<f64>) = kept.unzip();
                RangeRow { labels: frame.rows[row].clone(), timestamps: timestamps.into(), values: values.into() }
            })
            .collect();
        Self { rows, windows, distinct: frame.distinct }
    }
}
