//! Aggregations that reduce each group to one value: sums, means, extremes, counts, deviations.

use super::Groups;
use crate::signal::{
    EvalLimits, SignalError,
    frame::{ABSENT, Frame, is_absent, is_histogram},
    native,
    plan::{AggregateOp, Grouping},
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
    grouping: &Grouping,
    at: usize,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    if frame.cells.iter().any(|cell| is_histogram(*cell)) && matches!(op, AggregateOp::Sum | AggregateOp::Avg) {
        let mut reduction = Reduction::new(op, grouping, frame.steps)?;
        reduction.add(frame, limits)?;
        let group_of = std::mem::take(&mut reduction.groups.of_row);
        return native::aggregated(reduction.all_groups(), op == AggregateOp::Avg, frame, &group_of, at, limits);
    }
    let mut reduction = Reduction::new(op, grouping, frame.steps)?;
    reduction.add(frame, limits)?;
    Ok(reduction.finish())
}

/// A reduction of frames with the same steps that arrive one after the other.
pub(in crate::signal) struct Reduction<'q> {
    op: AggregateOp,
    steps: usize,
    groups: Groups<'q>,
    accumulators: Box<dyn Accumulators>,
}

impl<'q> Reduction<'q> {
    /// Returns a reduction of nothing yet.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] for an aggregation of another kind.
    pub(in crate::signal) fn new(op: AggregateOp, grouping: &'q Grouping, steps: usize) -> Result<Self, SignalError> {
        let accumulators: Box<dyn Accumulators> = match op {
            AggregateOp::Sum => Box::new(Vec::<Sum>::new()),
            AggregateOp::Avg => Box::new(Vec::<Average>::new()),
            AggregateOp::Min => Box::new(Vec::<Min>::new()),
            AggregateOp::Max => Box::new(Vec::<Max>::new()),
            AggregateOp::Count => Box::new(Vec::<Count>::new()),
            AggregateOp::Group => Box::new(Vec::<Presence>::new()),
            AggregateOp::Stdvar | AggregateOp::Stddev => Box::new(Vec::<Variance>::new()),
            other => return Err(SignalError::Unsupported { what: format!("aggregation {}", other.name()) }),
        };
        Ok(Self { op, steps, groups: Groups::empty(grouping), accumulators })
    }

    /// Adds the elements of a frame.
    ///
    /// # Errors
    /// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
    pub(in crate::signal) fn add(&mut self, frame: &Frame, limits: &EvalLimits) -> Result<(), SignalError> {
        self.groups.add(&frame.rows);
        let cells = self.groups.labels.len() * self.steps;
        limits.check_cells(cells)?;
        self.accumulators.add(frame, &self.groups.of_row, cells);
        Ok(())
    }

    /// Returns the result: a row for each group with a value.
    pub(in crate::signal) fn finish(self) -> Frame {
        self.all_groups().compact()
    }

    /// Returns a row for each group.
    fn all_groups(self) -> Frame {
        let Self { op, steps, groups, accumulators } = self;
        let rows = groups.labels.iter().enumerate().map(|(id, labels)| groups.row(id, labels.clone())).collect();
        let mut frame = Frame { rows, cells: accumulators.finish(), steps, distinct: false };
        if op == AggregateOp::Stddev {
            frame.map(f64::sqrt);
        }
        frame
    }
}

/// An accumulator for each group at each step.
trait Accumulators {
    /// Adds the elements of a frame. `of_row`: the group of each row; `cells`: number of accumulators of all groups so far.
    fn add(&mut self, frame: &Frame, of_row: &[usize], cells: usize);

    /// Returns the results, by group and step.
    fn finish(self: Box<Self>) -> Vec<f64>;
}

impl<A: Accumulator> Accumulators for Vec<A> {
    fn add(&mut self, frame: &Frame, of_row: &[usize], cells: usize) {
        let steps = frame.steps;
        self.resize(cells, A::default());
        for (row, group) in of_row.iter().enumerate() {
            for (accumulator, cell) in self[group * steps..(group + 1) * steps].iter_mut().zip(frame.row(row)) {
                if !is_absent(*cell) && (A::HISTOGRAMS || !is_histogram(*cell)) {
                    accumulator.add(*cell);
                }
            }
        }
    }

    fn finish(self: Box<Self>) -> Vec<f64> {
        self.into_iter().map(A::finish).collect()
    }
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
