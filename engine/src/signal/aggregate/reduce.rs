//! Aggregations that reduce each group to one value: sums, means, extremes, counts, deviations.

use super::Groups;
use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame, is_absent, is_histogram},
    native,
    plan::AggregateOp,
    summation::{Kahan, Mean},
};

/// Accumulates the values of one group at one step.
trait Accumulator: Copy + Default {
    /// Whether histograms are added like floats.
    const HISTOGRAMS: bool = false;

    fn add(&mut self, value: f64);
    /// Returns the result; [`ABSENT`] if nothing was added.
    fn finish(self) -> f64;
}

/// `sum avg min max count group stddev stdvar`: one row for each group.
///
/// # Errors
/// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(in crate::signal) fn reduce(
    op: AggregateOp,
    frame: &Frame,
    groups: &Groups,
    at: usize,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    if frame.cells.iter().any(|cell| is_histogram(*cell)) && matches!(op, AggregateOp::Sum | AggregateOp::Avg) {
        let is_mean = op == AggregateOp::Avg;
        let floats = if is_mean { fold::<Average>(frame, groups, limits) } else { fold::<Sum>(frame, groups, limits) }?;
        return native::aggregated(floats, is_mean, frame, &groups.of_row, at, limits);
    }
    match op {
        AggregateOp::Sum => fold::<Sum>(frame, groups, limits),
        AggregateOp::Avg => fold::<Average>(frame, groups, limits),
        AggregateOp::Min => fold::<Min>(frame, groups, limits),
        AggregateOp::Max => fold::<Max>(frame, groups, limits),
        AggregateOp::Count => fold::<Count>(frame, groups, limits),
        AggregateOp::Group => fold::<Presence>(frame, groups, limits),
        AggregateOp::Stdvar => fold::<Variance>(frame, groups, limits),
        AggregateOp::Stddev => fold::<Variance>(frame, groups, limits).map(|mut frame| {
            frame.map(f64::sqrt);
            frame
        }),
        other => Err(SignalError::Unsupported { what: format!("aggregation {}", other.name()) }),
    }
    .map(Frame::compact)
}

/// Runs the accumulator `A` over the elements of each group at each step. Every group has a row.
fn fold<A: Accumulator>(frame: &Frame, groups: &Groups, limits: &EvalLimits) -> Result<Frame, SignalError> {
    let steps = frame.steps;
    limits.check_cells(groups.labels.len() * steps)?;
    let mut accumulators = vec![A::default(); groups.labels.len() * steps];
    for (row, group) in groups.of_row.iter().enumerate() {
        for (accumulator, cell) in accumulators[group * steps..(group + 1) * steps].iter_mut().zip(frame.row(row)) {
            if !is_absent(*cell) && (A::HISTOGRAMS || !is_histogram(*cell)) {
                accumulator.add(*cell);
            }
        }
    }
    let rows = groups.labels.iter().enumerate().map(|(id, labels)| groups.row(id, labels.clone())).collect();
    Ok(Frame { rows, cells: accumulators.into_iter().map(A::finish).collect(), steps, distinct: false })
}

#[derive(Clone, Copy, Default)]
struct Sum(Option<Kahan>);

impl Accumulator for Sum {
    fn add(&mut self, value: f64) {
        match &mut self.0 {
            Some(sum) => sum.add(value),
            none => *none = Some(Kahan::new(value)),
        }
    }

    fn finish(self) -> f64 {
        self.0.map_or(ABSENT, Kahan::total)
    }
}

#[derive(Clone, Copy, Default)]
struct Average(Option<Mean>);

impl Accumulator for Average {
    fn add(&mut self, value: f64) {
        self.0.get_or_insert_default().add(value);
    }

    fn finish(self) -> f64 {
        self.0.map_or(ABSENT, Mean::value)
    }
}

#[derive(Clone, Copy, Default)]
struct Min(Option<f64>);

impl Accumulator for Min {
    fn add(&mut self, value: f64) {
        match self.0 {
            // NaN is replaced by any value.
            Some(least) if !(least > value || least.is_nan()) => {}
            _ => self.0 = Some(value),
        }
    }

    fn finish(self) -> f64 {
        self.0.unwrap_or(ABSENT)
    }
}

#[derive(Clone, Copy, Default)]
struct Max(Option<f64>);

impl Accumulator for Max {
    fn add(&mut self, value: f64) {
        match self.0 {
            Some(greatest) if !(greatest < value || greatest.is_nan()) => {}
            _ => self.0 = Some(value),
        }
    }

    fn finish(self) -> f64 {
        self.0.unwrap_or(ABSENT)
    }
}

#[derive(Clone, Copy, Default)]
struct Count(u32);

impl Accumulator for Count {
    const HISTOGRAMS: bool = true;

    fn add(&mut self, _: f64) {
        self.0 += 1;
    }

    fn finish(self) -> f64 {
        if self.0 == 0 { ABSENT } else { self.0.into() }
    }
}

#[derive(Clone, Copy, Default)]
struct Presence(bool);

impl Accumulator for Presence {
    const HISTOGRAMS: bool = true;

    fn add(&mut self, _: f64) {
        self.0 = true;
    }

    fn finish(self) -> f64 {
        if self.0 { 1.0 } else { ABSENT }
    }
}

/// Population variance.
///
/// # Reference
/// Welford (1962).
#[derive(Clone, Copy, Default)]
struct Variance {
    count: u32,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
}

impl Accumulator for Variance {
    fn add(&mut self, value: f64) {
        self.count += 1;
        if self.count == 1 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / f64::from(self.count);
        self.squares += delta * (value - self.mean);
    }

    fn finish(self) -> f64 {
        if self.count == 0 { ABSENT } else { self.squares / f64::from(self.count) }
    }
}
