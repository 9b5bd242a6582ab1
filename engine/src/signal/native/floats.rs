//! Removes histograms where only floats have a result.

use crate::{
    series::METRIC_NAME,
    signal::{
        EvalLimits,
        frame::{ABSENT, Frame, is_histogram},
        window::{RangeRow, RangeRows},
    },
};

/// Returns a frame without its histograms, and without rows that had nothing else.
pub(in crate::signal) fn floats_only(mut frame: Frame) -> Frame {
    if !frame.cells.iter().any(|cell| is_histogram(*cell)) {
        return frame;
    }
    for cell in frame.cells.iter_mut().filter(|cell| is_histogram(**cell)) {
        *cell = ABSENT;
    }
    frame.compact()
}

/// Like [`floats_only`], for the operand of the aggregation `name`, with an info about histograms that are left out.
pub(in crate::signal) fn without_histograms(frame: Frame, name: &str, at: usize, limits: &EvalLimits) -> Frame {
    if frame.cells.iter().any(|cell| is_histogram(*cell)) {
        limits.notes.inform(at, format!("{name} is an aggregation of floats: histograms are left out"));
    }
    floats_only(frame)
}

/// Returns the floats of a range vector for a function that ignores histograms; `None` if it has no histograms. Windows
/// with both get an info.
pub(in crate::signal) fn floats_of<'a>(range: &RangeRows<'_>, limits: &EvalLimits) -> Option<RangeRows<'a>> {
    if !range.rows.iter().any(RangeRow::has_histograms) {
        return None;
    }
    let mut rows = Vec::with_capacity(range.rows.len());
    for row in &range.rows {
        let mut is_mixed = false;
        if row.has_histograms() {
            let mut note = |values: &[f64]| {
                is_mixed |= values.iter().any(|value| is_histogram(*value)) && !values.iter().all(|v| is_histogram(*v));
            };
            let mut cells = vec![0.0; range.windows.grid.steps];
            range.windows.fill(row, &mut cells, |window| {
                note(window.values);
                0.0
            });
        }
        if is_mixed {
            let message = format!(
                "a range of {:?} has floats and histograms: histograms are left out",
                row.labels.get(METRIC_NAME)
            );
            limits.notes.inform(range.at, message);
        }
        let kept = row.timestamps.iter().zip(row.values.iter()).filter(|(_, value)| !is_histogram(**value));
        let (timestamps, values): (Vec<i64>, Vec<f64>) = kept.unzip();
        rows.push(RangeRow { labels: row.labels.clone(), timestamps: timestamps.into(), values: values.into() });
    }
    Some(RangeRows { rows, windows: range.windows.clone(), distinct: range.distinct, at: range.at })
}

/// Counts the neighbours of which the later one differs (`changes`) or falls (`resets`). A change between a float and a
/// histogram is both.
#[expect(clippy::float_cmp, reason = "PromQL compares floats exactly")]
pub(in crate::signal) fn counted_changes(values: &[f64], resets: bool, limits: &EvalLimits) -> usize {
    let changed = |before: f64, after: f64| match (limits.arena.get(before), limits.arena.get(after)) {
        (Some(before), Some(after)) if resets => after.is_reset(&before),
        (Some(before), Some(after)) => !after.same(&before),
        (None, None) if resets => after < before,
        (None, None) => before != after && !(before.is_nan() && after.is_nan()),
        _ => true,
    };
    values.windows(2).filter(|pair| changed(pair[0], pair[1])).count()
}
