//! The queries of callers: an expression at one time, over a range, or at evenly spaced steps of a range.

use std::borrow::Cow;

use hashbrown::HashMap;

use super::evaluator::{Evaluated, Evaluator, QuerySpan};
use crate::{
    series::{Labels, SampleSource},
    signal::{
        Arena, DenseRow, DenseSeries, EvalLimits, Query, RangeSeries, SignalError, Value, ValueKind, VectorSample,
        frame::{Frame, RowLabels, StepGrid, is_absent, is_histogram},
        functions::vector,
        plan::Node,
        select::QuerySamples,
        time::QueryTimes,
    },
};

/// Evaluates an expression at one time, in epoch milliseconds.
///
/// # Errors
/// [`SignalError`]: exceeded limits, ambiguous matching, errors of the source.
pub fn instant(
    source: &dyn SampleSource,
    query: &Query,
    time_ms: i64,
    limits: &EvalLimits,
) -> Result<Value, SignalError> {
    let grid = StepGrid { start_ms: time_ms, step_ms: 1, steps: 1 };
    let limits = &limits.for_one_evaluation();
    let query = query.resolved(0, 0)?;
    let query_times = QueryTimes::new(&grid, limits);
    let samples = QuerySamples::fetch(source, &query, &grid, &query_times, limits.max_samples, limits)?;
    let span = QuerySpan { start_ms: time_ms, end_ms: time_ms, step_ms: 0 };
    let evaluator = Evaluator { source, query_times, samples, limits, span };
    let value = match query.root().unwrapped() {
        Node::String(text) => Value::String(text.clone()),
        node @ (Node::Range(_) | Node::Subquery(_)) => Value::Matrix(evaluator.stored_series(node, &grid)?),
        node => match evaluator.eval(node, &grid)? {
            Evaluated::Scalar(values) => Value::Scalar(values[0]),
            Evaluated::Vector(frame) => Value::Vector(elements(&frame.finish_names()?, time_ms, &limits.arena)),
        },
    };
    // The last operation may have dropped histograms that were too many.
    limits.check_cells(0)?;
    Ok(value)
}

/// Evaluates an expression at every step from `start_ms` to at most `end_ms`.
///
/// Series are ordered by labels; series without a value are left out. A scalar becomes one series without labels.
///
/// ```
/// use almanac_engine::{series::Labels, signal::{EvalLimits, parse, range}, store::{SampleBatch, Store, StoreOptions}};
///
/// let folder = tempfile::tempdir()?;
/// let store = Store::open(&folder.path().join("metrics.duckdb"), StoreOptions::default())?;
/// let series = store.resolve(&Labels::from_pairs([("__name__", "queue_depth"), ("job", "worker")])?)?;
/// let mut batch = SampleBatch::default();
/// for minute in 0..10_i64 {
///     batch.push(series, minute * 60_000, minute as f64);
/// }
/// store.append(batch)?.wait()?;
///
/// let query = parse("2 * max_over_time(queue_depth[5m])")?;
/// let found = range(&store, &query, 300_000, 540_000, 60_000, &EvalLimits::default())?;
/// assert_eq!(found[0].labels.to_string(), r#"{job="worker"}"#);
/// assert_eq!(found[0].values, [10.0, 12.0, 14.0, 16.0, 18.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SignalError`]: no steps or too many, exceeded limits, ambiguous matching, errors of the source.
pub fn range(
    source: &dyn SampleSource,
    query: &Query,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    limits: &EvalLimits,
) -> Result<Vec<RangeSeries>, SignalError> {
    let (evaluation, grid) = RangeEvaluation::new(source, query, start_ms, end_ms, step_ms, limits)?;
    let mut collector = SeriesCollector::default();
    evaluation.run(grid, &mut |frame, grid| collector.add(frame, grid, &evaluation.limits))?;
    Ok(collector.finish())
}

/// Like [`range`], but returns one value for each step of a series, NaN where there is none. For callers that compute
/// on evenly spaced values.
///
/// # Errors
/// As [`range`].
pub fn range_dense(
    source: &dyn SampleSource,
    query: &Query,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    limits: &EvalLimits,
) -> Result<DenseSeries, SignalError> {
    let (evaluation, grid) = RangeEvaluation::new(source, query, start_ms, end_ms, step_ms, limits)?;
    let mut rows: HashMap<Labels, Vec<f64>> = HashMap::new();
    let mut samples = 0;
    evaluation.run(grid, &mut |frame, part| {
        // A long range may be evaluated in parts; `first` is the step of the whole range at which the part starts.
        let first = usize::try_from((part.start_ms - start_ms) / step_ms).unwrap_or(usize::MAX);
        for row in 0..frame.rows.len() {
            let cells = frame.row(row);
            if cells.iter().all(|cell| is_absent(*cell) || is_histogram(*cell)) {
                continue;
            }
            samples += cells.len();
            limits.check_cells(samples)?;
            let values = rows.entry(frame.rows[row].to_labels()).or_insert_with(|| vec![f64::NAN; grid.steps]);
            for (value, cell) in values[first..].iter_mut().zip(cells) {
                *value = if is_absent(*cell) || is_histogram(*cell) { f64::NAN } else { *cell };
            }
        }
        Ok(())
    })?;
    let mut series: Vec<DenseRow> = rows.into_iter().map(|(labels, values)| DenseRow { labels, values }).collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(DenseSeries { start_ms, step_ms, steps: grid.steps, series })
}

/// Collects the series of a range from the parts in which it is evaluated, in order of time.
#[derive(Default)]
struct SeriesCollector {
    series: HashMap<Labels, RangeSeries>,
    samples: usize,
    /// Weight of the histograms in samples.
    histograms: usize,
}

impl SeriesCollector {
    fn add(&mut self, frame: &Frame, grid: &StepGrid, limits: &EvalLimits) -> Result<(), SignalError> {
        for row in 0..frame.rows.len() {
            let present = || grid.times().zip(frame.row(row)).filter(|(_, cell)| !is_absent(**cell));
            let count = present().count();
            if count == 0 {
                continue;
            }
            self.samples += count;
            limits.check_cells(self.samples)?;
            let series = self.series.entry(frame.rows[row].to_labels()).or_default();
            series.extend(present().map(|(time, cell)| (time, *cell)), &limits.arena);
            self.histograms += present().filter_map(|(_, cell)| Some(limits.arena.get(*cell)?.weight())).sum::<usize>();
            limits.check_cells(self.samples + self.histograms)?;
        }
        Ok(())
    }

    fn finish(self) -> Vec<RangeSeries> {
        let of = |(labels, series)| RangeSeries { labels, ..series };
        let mut series: Vec<RangeSeries> = self.series.into_iter().map(of).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        series
    }
}

/// A checked range query, ready to be evaluated.
struct RangeEvaluation<'a> {
    source: &'a dyn SampleSource,
    query: Cow<'a, Query>,
    query_times: QueryTimes,
    limits: EvalLimits,
    span: QuerySpan,
}

impl<'a> RangeEvaluation<'a> {
    /// Checks the kind of the result and the range; returns the evaluation and its grid.
    fn new(
        source: &'a dyn SampleSource,
        query: &'a Query,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        limits: &'a EvalLimits,
    ) -> Result<(Self, StepGrid), SignalError> {
        if !matches!(query.kind(), ValueKind::Scalar | ValueKind::Vector) {
            return Err(SignalError::Kind {
                found: query.kind().with_article(),
                wanted: "a scalar or an instant vector",
            });
        }
        if step_ms <= 0 || end_ms < start_ms {
            return Err(SignalError::Range { start_ms, end_ms, step_ms });
        }
        let intervals = end_ms.abs_diff(start_ms) / step_ms.unsigned_abs();
        let steps = usize::try_from(intervals).ok().filter(|intervals| *intervals <= limits.max_steps);
        let Some(intervals) = steps else {
            return Err(SignalError::TooManySteps { steps: intervals.saturating_add(1), limit: limits.max_steps });
        };
        let grid = StepGrid { start_ms, step_ms, steps: intervals + 1 };
        // `@ end()` is the requested end, even if it is not a step.
        let query_times = QueryTimes { end_ms, ..QueryTimes::new(&grid, limits) };
        let query = query.resolved(step_ms, end_ms.saturating_sub(start_ms))?;
        let (limits, span) = (limits.for_one_evaluation(), QuerySpan { start_ms, end_ms, step_ms });
        Ok((Self { source, query, query_times, limits, span }, grid))
    }

    /// Evaluates the steps of `grid` and passes the frame to `take`. If that needs more samples in memory than allowed,
    /// it evaluates the two halves one after the other; the results are the same, because steps are independent.
    fn run(
        &self,
        grid: StepGrid,
        take: &mut dyn FnMut(&Frame, &StepGrid) -> Result<(), SignalError>,
    ) -> Result<(), SignalError> {
        match self.evaluate(&grid, self.most(&grid)) {
            Ok(frame) => {
                take(&frame, &grid)?;
                self.limits.arena.clear();
                Ok(())
            }
            Err(SignalError::TooManySamples { .. }) if grid.steps > 1 => {
                self.limits.arena.clear();
                let (first, second) = grid.halves();
                self.run(first, take)?;
                self.run(second, take)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the number of samples that an evaluation may read at a time. Halves that read almost as much as the whole,
    /// because of long ranges, are no gain.
    fn most(&self, grid: &StepGrid) -> usize {
        let limits = &self.limits;
        let steps = grid.last().saturating_sub(grid.start_ms);
        let is_divisible = limits.range_samples < limits.max_samples
            && grid.steps > 1
            && steps.saturating_mul(2) >= QuerySamples::longest_span(&self.query, grid, &self.query_times);
        if is_divisible { limits.range_samples } else { limits.max_samples }
    }

    fn evaluate(&self, grid: &StepGrid, most: usize) -> Result<Frame, SignalError> {
        let Self { source, query, query_times, limits, span } = self;
        let samples = QuerySamples::fetch(*source, query, grid, query_times, most, limits)?;
        let evaluator = Evaluator { source: *source, query_times: *query_times, samples, limits, span: *span };
        let found = evaluator.eval(self.query.root(), grid)?;
        // The last operation may have dropped histograms that were too many.
        limits.check_cells(0)?;
        match found {
            Evaluated::Scalar(values) => Ok(vector(values)),
            Evaluated::Vector(frame) => frame.finish_names(),
        }
    }
}

/// Returns the elements of a frame with one step.
fn elements(frame: &Frame, time_ms: i64, arena: &Arena) -> Vec<VectorSample> {
    let present = frame.rows.iter().zip(&frame.cells).filter(|(_, cell)| !is_absent(**cell));
    present
        .map(|(row, cell): (&RowLabels, &f64)| {
            let histogram = arena.get(*cell);
            let value = if histogram.is_some() { f64::NAN } else { *cell };
            VectorSample { labels: row.to_labels(), timestamp_ms: time_ms, value, histogram }
        })
        .collect()
}
