//! Figures of one histogram: count, sum, mean, variance.

use crate::{
    histogram::Histogram,
    signal::{
        EvalLimits, SignalError,
        frame::{ABSENT, Frame},
        summation::Kahan,
    },
};

/// A figure of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum Shape {
    Count,
    Sum,
    Avg,
    Stddev,
    Stdvar,
}

/// Returns a figure of each histogram. Floats have no result.
pub(in crate::signal) fn shape(shape: Shape, mut frame: Frame, limits: &EvalLimits) -> Result<Frame, SignalError> {
    for cell in &mut frame.cells {
        *cell = limits.arena.get(*cell).map_or(ABSENT, |histogram| match shape {
            Shape::Count => histogram.count,
            Shape::Sum => histogram.sum,
            Shape::Avg => histogram.sum / histogram.count,
            Shape::Stdvar => variance(&histogram),
            Shape::Stddev => variance(&histogram).sqrt(),
        });
    }
    frame.compact().drop_names()
}

/// Returns the variance, as if all observations of a bucket were at its mean: the geometric one of an exponential bucket,
/// the arithmetic one of a custom bucket, zero of the zero bucket.
fn variance(histogram: &Histogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let mut total = Kahan::default();
    for bucket in histogram.buckets().into_iter().filter(|bucket| bucket.count != 0.0) {
        let value = if histogram.is_custom() {
            f64::midpoint(bucket.lower, bucket.upper)
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else if bucket.upper < 0.0 {
            -(bucket.lower * bucket.upper).sqrt()
        } else {
            (bucket.lower * bucket.upper).sqrt()
        };
        let delta = value - mean;
        total.add(bucket.count * delta * delta);
    }
    total.plain() / histogram.count
}
