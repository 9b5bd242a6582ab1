//! Instant selectors: the newest sample of each series at every step.

use super::Loaded;
use crate::{
    series::is_stale,
    signal::{
        EvalLimits, SignalError,
        frame::{ABSENT, Frame, Grid, RowLabels},
        plan::Selector,
        time::Clock,
    },
};

/// What an instant selector shows of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum Shown {
    Value,
    /// Its time in epoch seconds.
    Timestamp,
}

/// The newest sample of each series at every step: at or before the time looked at, less than
/// the look-back old, and no stale marker.
pub(in crate::signal) fn instant_frame(
    loaded: &Loaded,
    selector: &Selector,
    grid: &Grid,
    clock: &Clock,
    shown: Shown,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let mut frame = Frame::new(grid.steps);
    frame.distinct = loaded.one_metric;
    let times: Vec<i64> = grid.times().map(|time| clock.shifted(selector.shift, time)).collect();
    for series in &loaded.series {
        limits.check_cells(frame.cells.len() + grid.steps)?;
        let row = frame.push_absent(RowLabels::new(series.labels.clone()));
        // `next` is the first sample after the time looked at; times never decrease.
        let mut next = first_after(&series.timestamps, times.first().copied().unwrap_or(i64::MAX));
        for (cell, time) in frame.row_mut(row).iter_mut().zip(&times) {
            while series.timestamps.get(next).is_some_and(|timestamp| timestamp <= time) {
                next += 1;
            }
            let Some(newest) = next.checked_sub(1) else { continue };
            let (timestamp, value) = (series.timestamps[newest], series.values[newest]);
            if timestamp <= time.saturating_sub(clock.lookback_ms) {
                continue;
            }
            *cell = match shown {
                _ if is_stale(value) => ABSENT,
                Shown::Value => value,
                Shown::Timestamp => seconds(timestamp),
            };
        }
        frame.pop_if_absent();
    }
    Ok(frame)
}

fn first_after(timestamps: &[i64], time: i64) -> usize {
    timestamps.partition_point(|timestamp| *timestamp <= time)
}

#[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
fn seconds(timestamp_ms: i64) -> f64 {
    timestamp_ms as f64 / 1000.0
}
