//! `rate`, `increase`, `delta`, `irate` and `idelta`: changes of counters and gauges over a window, as in Prometheus.

use super::windows::each_extended;
use crate::{
    series::METRIC_NAME,
    signal::{
        EvalLimits, SignalError,
        frame::{ABSENT, Frame, is_absent, is_histogram},
        native::{self, RateOf},
        time::Extension,
        window::{RangeRow, RangeRows, SampleWindow, interpolated},
    },
};

/// Endings of the names of counters.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

/// The functions of the ends of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateKind {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
}

/// Computes a function of the ends of a window, for every series at each step.
///
/// # Errors
/// [`SignalError::DuplicateLabels`], [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(super) fn rate(kind: RateKind, range: &RangeRows<'_>, limits: &EvalLimits) -> Result<Frame, SignalError> {
    if let Some((extension, _)) = range.windows.extension {
        let is_smoothed = extension == Extension::Smoothed;
        let seconds = if kind == RateKind::Rate { seconds(range.windows.range_ms) } else { 1.0 };
        let is_counter = kind != RateKind::Delta;
        let of = RateOf::Extended { is_counter, is_smoothed };
        let frame = each_extended(range, limits, |row, window| {
            if window.values.iter().any(|value| is_histogram(*value)) {
                return Some(native::rate(of, window, row, range.at, limits, |_, _| Some(1.0 / seconds)));
            }
            extended(window, is_smoothed, is_counter).map(|increase| increase / seconds)
        })?;
        inform_of_gauges(kind, &frame, range.at, limits);
        return frame.drop_names_strictly();
    }
    let mut frame = Frame::for_rows(range.rows.len(), range.windows.grid.steps, limits);
    frame.distinct = range.distinct;
    for row in &range.rows {
        limits.check_cells(frame.cells.len() + frame.steps)?;
        let cells = frame.push_absent(row.labels.clone());
        let cells = frame.row_mut(cells);
        let has_histograms = row.has_histograms();
        let histograms = |window: &SampleWindow<'_>| {
            (has_histograms && window.values.iter().any(|value| is_histogram(*value)))
                .then(|| of_histograms(kind, range, row, window, limits))
        };
        match kind {
            RateKind::Irate => range.windows.fill(row, cells, |window| last_two(window, true, histograms)),
            RateKind::Idelta => range.windows.fill(row, cells, |window| last_two(window, false, histograms)),
            RateKind::Delta => range.windows.fill(row, cells, |window| {
                histograms(window).unwrap_or_else(|| {
                    let rise = rise(window);
                    extrapolation(window, (window.values[0], rise), false).map_or(ABSENT, |factor| rise * factor)
                })
            }),
            RateKind::Rate | RateKind::Increase => {
                let mut resets = Resets::of(&row.values);
                let seconds = if kind == RateKind::Rate { seconds(range.windows.range_ms) } else { 1.0 };
                range.windows.fill(row, cells, |window| {
                    histograms(window).unwrap_or_else(|| {
                        let increase = resets.add_to(rise(window), window, &row.values);
                        extrapolation(window, (window.values[0], increase), true)
                            .map_or(ABSENT, |factor| increase * factor / seconds)
                    })
                });
            }
        }
        frame.pop_if_absent();
    }
    inform_of_gauges(kind, &frame, range.at, limits);
    frame.drop_names_strictly()
}

/// Computes the function of a window with histograms.
fn of_histograms(
    kind: RateKind,
    range: &RangeRows<'_>,
    row: &RangeRow<'_>,
    window: &SampleWindow<'_>,
    limits: &EvalLimits,
) -> f64 {
    let is_counter = !matches!(kind, RateKind::Delta | RateKind::Idelta);
    let is_range = !matches!(kind, RateKind::Irate | RateKind::Idelta);
    let of = if is_range { RateOf::Range { is_counter } } else { RateOf::LastTwo { is_counter } };
    native::rate(of, window, row, range.at, limits, |first, increase| match kind {
        RateKind::Irate => {
            let n = window.timestamps.len();
            Some(1.0 / seconds(window.timestamps[n - 1] - window.timestamps[n - 2]))
        }
        RateKind::Idelta => Some(1.0),
        _ => extrapolation(window, (first, increase), is_counter)
            .map(|factor| if kind == RateKind::Rate { factor / seconds(range.windows.range_ms) } else { factor }),
    })
}

/// Adds a note for each metric of a rate or an increase whose name is not that of a counter.
fn inform_of_gauges(kind: RateKind, frame: &Frame, at: usize, limits: &EvalLimits) {
    if !matches!(kind, RateKind::Rate | RateKind::Increase) {
        return;
    }
    let mut last = "";
    for (idx, row) in frame.rows.iter().enumerate() {
        if !frame.row(idx).iter().any(|cell| !is_absent(*cell) && !is_histogram(*cell)) {
            continue;
        }
        let name = row.get(METRIC_NAME);
        if !name.is_empty() && name != last && !COUNTER_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            let message =
                format!("{name:?} may be no counter: its name ends in none of {}", COUNTER_ENDINGS.join(", "));
            limits.notes.inform(at, message);
        }
        last = name;
    }
}

/// Returns the increase of a range that is `anchored` or `smoothed`; of a gauge the difference. `None` if no sample is
/// after the start of the range, or for `smoothed` if all are after its end.
///
/// The ends of the range have the values of the newest samples at or before them, for `smoothed` interpolated ones.
fn extended(window: &SampleWindow<'_>, is_smoothed: bool, is_counter: bool) -> Option<f64> {
    let (times, values) = (window.timestamps, window.values);
    let (start, end) = (window.start_ms, window.end_ms);
    let newest = times.len().checked_sub(1)?;
    let last = if is_smoothed { times.partition_point(|time| *time < end).min(newest) } else { newest };
    if times[last] <= start {
        return None;
    }
    let first = times.partition_point(|time| *time <= start).saturating_sub(1);
    if is_smoothed && times[first] > end {
        return None;
    }
    let sample = |idx: usize| (times[idx], values[idx]);
    let left = if is_smoothed && times[first] < start {
        interpolated(sample(first), sample(first + 1), start, is_counter)
    } else {
        values[first]
    };
    let right = if is_smoothed && last > 0 && times[last] > end {
        interpolated(sample(last - 1), sample(last), end, is_counter)
    } else {
        values[last]
    };
    let mut increase = right - left;
    if is_counter {
        // Resets between the ends and the samples strictly within the range.
        let mut before = left;
        let inside = (first..=last).filter(|idx| times[*idx] > start && times[*idx] < end).map(|idx| values[idx]);
        for value in inside.chain([right]) {
            if value < before {
                increase += before;
            }
            before = value;
        }
    }
    Some(increase)
}

/// The resets of a counter.
struct Resets {
    /// Indices of samples lower than the one before.
    at: Vec<usize>,
    /// Number of resets at or before the first sample of the window.
    passed: usize,
}

impl Resets {
    fn of(values: &[f64]) -> Self {
        let at = values.windows(2).enumerate().filter(|(_, pair)| pair[1] < pair[0]).map(|(idx, _)| idx + 1).collect();
        Self { at, passed: 0 }
    }

    /// Adds the value before each reset within the window. Successive windows must not move backwards.
    fn add_to(&mut self, rise: f64, window: &SampleWindow<'_>, values: &[f64]) -> f64 {
        while self.at.get(self.passed).is_some_and(|reset| *reset <= window.first) {
            self.passed += 1;
        }
        let after = window.first + window.values.len();
        self.at[self.passed..]
            .iter()
            .take_while(|reset| **reset < after)
            .fold(rise, |sum, reset| sum + values[reset - 1])
    }
}

/// Returns the difference of the last and the first value.
fn rise(window: &SampleWindow<'_>) -> f64 {
    window.values[window.values.len() - 1] - window.values[0]
}

/// Returns the factor that extrapolates an increase between the first and the last sample to the whole window; `None` for
/// fewer than two samples. `start`: the first value, and the increase.
///
/// If a boundary is further from its nearest sample than 1.1 times the mean distance of samples, the series is assumed
/// to start or end half a mean distance from that sample. A counter is not extrapolated to before the time at which it
/// would have been 0.
fn extrapolation(window: &SampleWindow<'_>, start: (f64, f64), is_counter: bool) -> Option<f64> {
    let (value, increase) = start;
    let (first, last) = (*window.timestamps.first()?, *window.timestamps.last()?);
    if window.timestamps.len() < 2 {
        return None;
    }
    let sampled = seconds(last - first);
    let between = sampled / count(window.timestamps.len() - 1);
    let reach = between * 1.1;
    let mut to_start = seconds(first - window.start_ms);
    if to_start >= reach {
        to_start = between / 2.0;
    }
    if is_counter && increase > 0.0 && value >= 0.0 {
        to_start = to_start.min(sampled * (value / increase));
    }
    let mut to_end = seconds(window.end_ms - last);
    if to_end >= reach {
        to_end = between / 2.0;
    }
    Some((sampled + to_start + to_end) / sampled)
}

/// Returns the difference of the last two samples; of a counter per second, and after a reset the last value.
fn last_two(window: &SampleWindow<'_>, is_counter: bool, histograms: impl Fn(&SampleWindow<'_>) -> Option<f64>) -> f64 {
    let n = window.values.len();
    if n < 2 {
        return ABSENT;
    }
    let (before, last) = (window.values[n - 2], window.values[n - 1]);
    if is_histogram(before) || is_histogram(last) {
        return histograms(window).unwrap_or(ABSENT);
    }
    if !is_counter {
        return last - before;
    }
    let increase = if last < before { last } else { last - before };
    increase / seconds(window.timestamps[n - 1] - window.timestamps[n - 2])
}

#[expect(clippy::cast_precision_loss, reason = "windows are shorter than 2^53 ms")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "windows hold fewer than 2^53 samples")]
fn count(samples: usize) -> f64 {
    samples as f64
}
