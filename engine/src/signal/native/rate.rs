//! `rate` and its relatives of histograms.

use std::sync::Arc;

use super::sums::{RECONCILED, mixed_floats, mixed_schemas};
use crate::{
    histogram::{Histogram, IncompatibleSchemas, ResetHint},
    series::METRIC_NAME,
    signal::{
        EvalLimits,
        frame::{ABSENT, is_histogram},
        window::{RangeRow, SampleWindow, interpolated},
    },
};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum RateOf {
    /// The increase between the first and the last sample; of a gauge the difference.
    Range { is_counter: bool },
    /// The same of the last two samples.
    LastTwo { is_counter: bool },
    /// The increase of a range that is `anchored` or `smoothed`.
    Extended { is_counter: bool, is_smoothed: bool },
}

/// A sample with its time; the value may be the handle of a histogram.
type Cell = (i64, f64);

/// A histogram with its time.
type Point = (i64, Arc<Histogram>);

/// Where notes go.
struct Noted<'a> {
    name: &'a str,
    at: usize,
    limits: &'a EvalLimits,
}

/// Computes the increase of a window that has histograms. `finish` returns the factor for the increase from the counts of
/// its first sample and of the increase; `None` if there is none. [`ABSENT`]: no result.
pub(in crate::signal) fn rate(
    of: RateOf,
    window: &SampleWindow<'_>,
    row: &RangeRow<'_>,
    at: usize,
    limits: &EvalLimits,
    finish: impl FnOnce(f64, f64) -> Option<f64>,
) -> f64 {
    let noted = Noted { name: row.labels.get(METRIC_NAME), at, limits };
    let mut values = window.values;
    let mut times = window.timestamps;
    if let RateOf::LastTwo { .. } = of {
        let skipped = values.len().saturating_sub(2);
        (values, times) = (&values[skipped..], &times[skipped..]);
        if values.len() < 2 {
            return ABSENT;
        }
    }
    if !values.iter().all(|value| is_histogram(*value)) {
        limits.notes.warn(at, mixed_floats(noted.name));
        return ABSENT;
    }
    let points: Vec<Point> =
        times.iter().zip(values).filter_map(|(at, value)| Some((*at, limits.arena.get(*value)?))).collect();
    let found = match of {
        RateOf::Range { is_counter } => noted.range(&points, is_counter),
        RateOf::LastTwo { is_counter } => noted.last_two(&points, is_counter),
        RateOf::Extended { is_counter, is_smoothed } => noted.extended(&points, window, is_counter, is_smoothed),
    };
    let Some(mut increase) = found else { return ABSENT };
    let Some(factor) = finish(points[0].1.count, increase.count) else { return ABSENT };
    increase.scale(factor);
    increase.hint = ResetHint::Gauge;
    limits.arena.put(Arc::new(increase))
}

/// Returns the cell of a `smoothed` selector of a series with histograms: the one between the samples before and after
/// `time`. `near`: the samples within reach. Floats and histograms among them have no result.
pub(in crate::signal) fn smoothed(
    near: &[(i64, f64)],
    (before, next): (Option<Cell>, Option<Cell>),
    time: i64,
    name: &str,
    at: usize,
    limits: &EvalLimits,
) -> f64 {
    let noted = Noted { name, at, limits };
    let histograms = near.iter().filter(|(_, value)| is_histogram(*value)).count();
    if histograms > 0 && histograms < near.len() {
        limits.notes.warn(at, mixed_floats(name));
        return ABSENT;
    }
    let point = |(at, value): (i64, f64)| Some((at, limits.arena.get(value)?));
    match (before, next) {
        (_, Some((next_at, value))) if next_at == time => value,
        (Some(before), Some(next)) => match (point(before), point(next)) {
            (Some(a), Some(b)) if a.1.is_custom() != b.1.is_custom() => {
                noted.mixed_schemas();
                ABSENT
            }
            (Some(a), Some(b)) => noted
                .between(&a, &b, time, b.1.hint != ResetHint::Gauge)
                .map_or(ABSENT, |between| limits.arena.put(Arc::new(between))),
            (None, None) => interpolated(before, next, time, false),
            _ => ABSENT,
        },
        (Some((_, value)), None) => value,
        (None, _) => ABSENT,
    }
}

impl Noted<'_> {
    fn range(&self, points: &[Point], is_counter: bool) -> Option<Histogram> {
        let [(_, first), (_, second), ..] = points else { return None };
        let last = &points.last()?.1;
        let is_gauge = |histogram: &Histogram| histogram.hint == ResetHint::Gauge;
        if is_counter && points.iter().any(|(_, histogram)| is_gauge(histogram)) {
            self.no_counter();
        }
        let are_gauges = is_gauge(first) && is_gauge(last);
        if !is_counter && !are_gauges {
            self.no_gauge();
        }
        let mut before = Arc::clone(first);
        if is_counter && second.is_reset(first) {
            // The layout of the first sample does not matter, since the increase begins at zero.
            before = Arc::new(Histogram {
                schema: second.schema,
                custom: Arc::clone(&second.custom),
                ..Histogram::default()
            });
        }
        let is_custom = before.is_custom();
        let inner = &points[1..points.len() - 1];
        let is_mixed = last.is_custom() != is_custom
            || (is_counter && inner.iter().any(|(_, histogram)| histogram.is_custom() != is_custom));
        if is_mixed {
            self.mixed_schemas();
            return None;
        }
        let schema = if is_counter { inner.iter().map(|(_, histogram)| histogram.schema).min() } else { None };
        let schema = schema.unwrap_or(last.schema).min(before.schema);
        let mut increase = Histogram::clone(last).with_schema(schema);
        self.subtract(&mut increase, &before)?;
        if is_counter {
            for (_, histogram) in &points[1..] {
                if histogram.is_reset(&before) {
                    self.add(&mut increase, &before)?;
                }
                before = Arc::clone(histogram);
            }
        }
        Some(increase)
    }

    fn last_two(&self, points: &[Point], is_counter: bool) -> Option<Histogram> {
        let [(_, before), (_, last)] = points else { return None };
        let gauges = [before, last].into_iter().filter(|histogram| histogram.hint == ResetHint::Gauge).count();
        if is_counter && gauges > 0 {
            self.no_counter();
        }
        if !is_counter && gauges < 2 {
            self.no_gauge();
        }
        let mut increase = Histogram::clone(last);
        if !is_counter || !last.is_reset(before) {
            self.subtract(&mut increase, before)?;
        }
        Some(increase)
    }

    /// The increase between the ends of the range, which have the newest samples at or before them, for `smoothed`
    /// interpolated ones.
    fn extended(
        &self,
        points: &[Point],
        window: &SampleWindow<'_>,
        is_counter: bool,
        is_smoothed: bool,
    ) -> Option<Histogram> {
        let (start, end) = (window.start_ms, window.end_ms);
        let newest = points.len().checked_sub(1)?;
        let last = if is_smoothed { points.partition_point(|point| point.0 < end).min(newest) } else { newest };
        if points[last].0 <= start {
            return None;
        }
        let first = points.partition_point(|point| point.0 <= start).saturating_sub(1);
        if is_smoothed && points[first].0 > end {
            return None;
        }
        let used = &points[first..=last];
        if used.iter().any(|(_, histogram)| histogram.is_custom() != used[0].1.is_custom()) {
            self.mixed_schemas();
            return None;
        }
        if is_counter && used.iter().any(|(_, histogram)| histogram.hint == ResetHint::Gauge) {
            self.no_counter();
        }
        let left = if is_smoothed && points[first].0 < start {
            self.between(&points[first], &points[first + 1], start, is_counter)?
        } else {
            Histogram::clone(&points[first].1)
        };
        let right = if is_smoothed && last > 0 && points[last].0 > end {
            self.between(&points[last - 1], &points[last], end, is_counter)?
        } else {
            Histogram::clone(&points[last].1)
        };
        if !is_counter && (left.hint != ResetHint::Gauge || right.hint != ResetHint::Gauge) {
            self.no_gauge();
        }
        let mut increase = right.clone();
        self.subtract(&mut increase, &left)?;
        if is_counter {
            let mut inside = first + 1;
            let mut before = left;
            let cut_by_reset = is_smoothed && points[first].0 < start && points[first + 1].1.is_reset(&points[first].1);
            if cut_by_reset {
                before = Histogram::clone(&points[first + 1].1);
                inside += 1;
            }
            if inside <= last {
                for (_, histogram) in &points[inside..last] {
                    if histogram.is_reset(&before) {
                        self.add(&mut increase, &before)?;
                    }
                    before = Histogram::clone(histogram);
                }
                if right.is_reset(&before) {
                    self.add(&mut increase, &before)?;
                }
            }
        }
        Some(increase)
    }

    /// Returns the histogram between two samples at `time`. Of a counter that was reset between them, the first is zero.
    #[expect(clippy::cast_precision_loss, reason = "samples are less than 2^53 ms apart")]
    fn between(&self, a: &Point, b: &Point, time: i64, is_counter: bool) -> Option<Histogram> {
        if time == a.0 {
            return Some(Histogram::clone(&a.1));
        }
        let mut result = Histogram::clone(&b.1);
        if time == b.0 {
            return Some(result);
        }
        let share = (time - a.0) as f64 / (b.0 - a.0) as f64;
        if is_counter && b.1.is_reset(&a.1) {
            result.scale(share);
            return Some(result);
        }
        self.subtract(&mut result, &a.1)?;
        result.scale(share);
        self.add(&mut result, &a.1)?;
        Some(result)
    }

    fn subtract(&self, from: &mut Histogram, other: &Histogram) -> Option<()> {
        // Resets are found by comparison, so that hints which contradict each other do not matter.
        self.noted(from.sub(other).map(|combined| combined.reconciled))
    }

    fn add(&self, to: &mut Histogram, other: &Histogram) -> Option<()> {
        self.noted(to.add(other).map(|combined| combined.reconciled))
    }

    fn noted(&self, reconciled: Result<bool, IncompatibleSchemas>) -> Option<()> {
        match reconciled {
            Ok(true) => self.limits.notes.inform(self.at, RECONCILED),
            Ok(false) => {}
            Err(IncompatibleSchemas) => {
                self.mixed_schemas();
                return None;
            }
        }
        Some(())
    }

    fn mixed_schemas(&self) {
        self.limits.notes.warn(self.at, mixed_schemas(self.name));
    }

    fn no_counter(&self) {
        self.limits.notes.warn(self.at, format!("{:?} has histograms that are gauges, which have no rate", self.name));
    }

    fn no_gauge(&self) {
        let message = format!("{:?} has histograms that are counters, of which this function is no measure", self.name);
        self.limits.notes.warn(self.at, message);
    }
}
