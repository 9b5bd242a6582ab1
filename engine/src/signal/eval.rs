//! Evaluates a plan: at one time, over a range, or at evenly spaced steps of a range.

use super::{
    DenseRow, DenseSeries, EvalLimits, Query, RangeSeries, SignalError, Value, ValueKind, VectorSample,
    aggregate::{self, Groups, RankBy},
    binary::{self, VectorSide},
    frame::{Frame, RowLabels, StepGrid, is_absent},
    functions::{Arguments, FunctionBody, vector},
    plan::{Aggregate, AggregateOp, Binary, BinaryOp, Call, Grouping, Node, Selector},
    select::{QuerySamples, SampleField, Span, instant_frame},
    time::QueryTimes,
    window::{RangeRows, StepWindows},
};
use hashbrown::HashMap;

use crate::series::{Labels, SampleSource};

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
    let query_times = QueryTimes::new(&grid, limits);
    let samples = QuerySamples::fetch(source, query, &grid, &query_times, limits)?;
    let evaluator = Evaluator { query_times, samples, limits };
    match query.root() {
        Node::String(text) => Ok(Value::String(text.clone())),
        node @ (Node::Range(_) | Node::Subquery(_)) => {
            Ok(Value::Matrix(stored_series(&evaluator.range_rows(node, &grid)?)))
        }
        node => Ok(match evaluator.eval(node, &grid)? {
            Evaluated::Scalar(values) => Value::Scalar(values[0]),
            Evaluated::Vector(frame) => Value::Vector(elements(&frame, time_ms)),
        }),
    }
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
    evaluation.run(grid, &mut |frame, grid| collector.add(frame, grid, limits))?;
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
            if cells.iter().all(|cell| is_absent(*cell)) {
                continue;
            }
            samples += cells.len();
            limits.check_cells(samples)?;
            let values = rows.entry(frame.rows[row].to_labels()).or_insert_with(|| vec![f64::NAN; grid.steps]);
            for (value, cell) in values[first..].iter_mut().zip(cells) {
                *value = if is_absent(*cell) { f64::NAN } else { *cell };
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
    series: HashMap<Labels, (Vec<i64>, Vec<f64>)>,
    samples: usize,
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
            let (timestamps, values) = self.series.entry(frame.rows[row].to_labels()).or_default();
            timestamps.extend(present().map(|(time, _)| time));
            values.extend(present().map(|(_, cell)| *cell));
        }
        Ok(())
    }

    fn finish(self) -> Vec<RangeSeries> {
        let of = |(labels, (timestamps, values))| RangeSeries { labels, timestamps, values };
        let mut series: Vec<RangeSeries> = self.series.into_iter().map(of).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        series
    }
}

/// A checked range query, ready to be evaluated.
struct RangeEvaluation<'a> {
    source: &'a dyn SampleSource,
    query: &'a Query,
    query_times: QueryTimes,
    limits: &'a EvalLimits,
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
        Ok((Self { source, query, query_times, limits }, grid))
    }

    /// Evaluates the steps of `grid` and passes the frame to `take`. If that needs more samples in memory than allowed,
    /// it evaluates the two halves one after the other; the results are the same, because steps are independent.
    fn run(
        &self,
        grid: StepGrid,
        take: &mut dyn FnMut(&Frame, &StepGrid) -> Result<(), SignalError>,
    ) -> Result<(), SignalError> {
        match self.evaluate(&grid) {
            Ok(frame) => take(&frame, &grid),
            Err(SignalError::TooManySamples { .. }) if grid.steps > 1 => {
                let (first, second) = grid.halves();
                self.run(first, take)?;
                self.run(second, take)
            }
            Err(error) => Err(error),
        }
    }

    fn evaluate(&self, grid: &StepGrid) -> Result<Frame, SignalError> {
        let samples = QuerySamples::fetch(self.source, self.query, grid, &self.query_times, self.limits)?;
        let evaluator = Evaluator { query_times: self.query_times, samples, limits: self.limits };
        Ok(match evaluator.eval(self.query.root(), grid)? {
            Evaluated::Scalar(values) => vector(values),
            Evaluated::Vector(frame) => frame,
        })
    }
}

/// Result of an operation on a grid.
enum Evaluated {
    /// One number for each step.
    Scalar(Vec<f64>),
    Vector(Frame),
}

struct Evaluator<'a> {
    query_times: QueryTimes,
    samples: QuerySamples,
    limits: &'a EvalLimits,
}

impl Evaluator<'_> {
    fn eval(&self, node: &Node, grid: &StepGrid) -> Result<Evaluated, SignalError> {
        self.limits.check_cells(grid.steps)?;
        Ok(match node {
            Node::Number(value) => Evaluated::Scalar(vec![*value; grid.steps]),
            Node::Select(selector) => Evaluated::Vector(self.select(selector, grid, SampleField::Value)?),
            Node::Negate(inner) => match self.eval(inner, grid)? {
                Evaluated::Scalar(values) => Evaluated::Scalar(values.into_iter().map(|value| -value).collect()),
                Evaluated::Vector(mut frame) => {
                    frame.map(|value| -value);
                    Evaluated::Vector(frame.drop_names()?)
                }
            },
            Node::Call(call) => self.call(call, grid)?,
            Node::Aggregate(aggregate) => Evaluated::Vector(self.aggregate(aggregate, grid)?),
            Node::Binary(binary) => self.binary(binary, grid)?,
            Node::String(_) | Node::Range(_) | Node::Subquery(_) => {
                return Err(SignalError::Kind {
                    found: node.kind().with_article(),
                    wanted: "a scalar or an instant vector",
                });
            }
        })
    }

    fn vector(&self, node: &Node, grid: &StepGrid) -> Result<Frame, SignalError> {
        match self.eval(node, grid)? {
            Evaluated::Vector(frame) => Ok(frame),
            Evaluated::Scalar(_) => Err(SignalError::Kind { found: "a scalar", wanted: "an instant vector" }),
        }
    }

    fn scalar(&self, node: &Node, grid: &StepGrid) -> Result<Vec<f64>, SignalError> {
        match self.eval(node, grid)? {
            Evaluated::Scalar(values) => Ok(values),
            Evaluated::Vector(_) => Err(SignalError::Kind { found: "an instant vector", wanted: "a scalar" }),
        }
    }

    fn select(&self, selector: &Selector, grid: &StepGrid, field: SampleField) -> Result<Frame, SignalError> {
        match self.samples.of(selector) {
            Some(loaded) => instant_frame(loaded, selector, grid, &self.query_times, field, self.limits),
            None => Ok(Frame::new(grid.steps)),
        }
    }

    /// Evaluates the range vector of a function's argument: a range selector or a subquery.
    fn range_rows<'s>(&'s self, node: &Node, grid: &StepGrid) -> Result<RangeRows<'s>, SignalError> {
        match node {
            Node::Range(range) => {
                let windows = StepWindows::new(*grid, range.selector.shift, range.range_ms, &self.query_times);
                Ok(match self.samples.of(&range.selector) {
                    Some(loaded) => RangeRows::stored(&loaded.series, loaded.one_metric, windows),
                    // A selector inside a subquery without steps was not read.
                    None => RangeRows::stored(&[], true, windows),
                })
            }
            Node::Subquery(subquery) => {
                let span = Span { start_ms: grid.start_ms, end_ms: grid.last() };
                let inner = self.query_times.subquery_grid(subquery, span);
                let windows = StepWindows::new(*grid, subquery.shift, subquery.range_ms, &self.query_times);
                let frame = self.vector(&subquery.inner, &inner)?;
                Ok(RangeRows::computed(&frame, &inner, windows))
            }
            other => Err(SignalError::Kind { found: other.kind().with_article(), wanted: "a range vector" }),
        }
    }

    fn aggregate(&self, aggregate: &Aggregate, grid: &StepGrid) -> Result<Frame, SignalError> {
        let frame = self.vector(&aggregate.inner, grid)?;
        let groups = || Groups::new(&frame, &aggregate.grouping);
        let param = || match &aggregate.param {
            Some(param) => self.scalar(param, grid),
            None => Err(SignalError::Argument {
                function: aggregate.op.name(),
                message: "a parameter is missing".to_owned(),
            }),
        };
        let name = aggregate.op.name();
        match aggregate.op {
            AggregateOp::Quantile => Ok(aggregate::quantile(&param()?, &frame, &groups())),
            AggregateOp::Topk => aggregate::rank(RankBy::Greatest, name, &param()?, &frame, &groups()),
            AggregateOp::Bottomk => aggregate::rank(RankBy::Least, name, &param()?, &frame, &groups()),
            AggregateOp::Limitk => aggregate::rank(RankBy::First, name, &param()?, &frame, &groups()),
            AggregateOp::CountValues => {
                let label = text(name, aggregate.param.as_ref())?;
                // The label of the value replaces a grouping label with the same name.
                let Grouping { mut names, without } = aggregate.grouping.clone();
                names.retain(|name| name != label);
                if without {
                    names.push(label.to_owned());
                }
                aggregate::count_values(label, &frame, &Groups::new(&frame, &Grouping { names, without }))
            }
            op => aggregate::reduce(op, &frame, &groups(), self.limits),
        }
    }

    fn binary(&self, binary: &Binary, grid: &StepGrid) -> Result<Evaluated, SignalError> {
        let (op, bool) = (binary.op, binary.return_bool);
        let (left, right) = (self.eval(&binary.left, grid)?, self.eval(&binary.right, grid)?);
        Ok(match (left, right) {
            (Evaluated::Scalar(left), Evaluated::Scalar(right)) => {
                Evaluated::Scalar(binary::between_scalars(op, &left, &right))
            }
            (Evaluated::Vector(left), Evaluated::Scalar(right)) => {
                Evaluated::Vector(binary::with_scalar(op, bool, left, &right, VectorSide::Left)?)
            }
            (Evaluated::Scalar(left), Evaluated::Vector(right)) => {
                Evaluated::Vector(binary::with_scalar(op, bool, right, &left, VectorSide::Right)?)
            }
            (Evaluated::Vector(left), Evaluated::Vector(right)) => Evaluated::Vector(match op {
                BinaryOp::Set(set) => binary::set_operation(set, left, right, &binary.matching)?,
                _ => binary::between_vectors(binary, &left, &right, self.limits)?,
            }),
        })
    }

    fn call(&self, call: &Call, grid: &StepGrid) -> Result<Evaluated, SignalError> {
        let args = CallArguments { evaluator: self, call, grid };
        Ok(match call.function.body {
            FunctionBody::Scalar(body) => Evaluated::Scalar(body(&args)?),
            FunctionBody::Vector(body) => Evaluated::Vector(body(&args)?),
        })
    }

    /// Returns the time of the newest sample for a selector, and the evaluation time for any other expression, in epoch
    /// seconds.
    fn timestamp(&self, node: &Node, grid: &StepGrid) -> Result<Frame, SignalError> {
        if let Node::Select(selector) = node {
            return self.select(selector, grid, SampleField::Timestamp)?.drop_names();
        }
        let (mut frame, seconds) = (self.vector(node, grid)?, grid.seconds());
        frame.map_steps(|step, _| seconds[step]);
        frame.drop_names()
    }
}

/// The arguments of one call, evaluated on demand.
struct CallArguments<'a, 'e> {
    evaluator: &'a Evaluator<'e>,
    call: &'a Call,
    grid: &'a StepGrid,
}

impl<'a> CallArguments<'a, '_> {
    fn node(&self, idx: usize) -> Result<&'a Node, SignalError> {
        // Cannot fail: the parser checks the number of arguments.
        self.call.args.get(idx).ok_or_else(|| SignalError::Argument {
            function: self.call.function.name,
            message: format!("argument {} is missing", idx + 1),
        })
    }
}

impl Arguments for CallArguments<'_, '_> {
    fn count(&self) -> usize {
        self.call.args.len()
    }

    fn vector(&self, idx: usize) -> Result<Frame, SignalError> {
        self.evaluator.vector(self.node(idx)?, self.grid)
    }

    fn scalar(&self, idx: usize) -> Result<Vec<f64>, SignalError> {
        self.evaluator.scalar(self.node(idx)?, self.grid)
    }

    fn range(&self, idx: usize) -> Result<RangeRows<'_>, SignalError> {
        self.evaluator.range_rows(self.node(idx)?, self.grid)
    }

    fn text(&self, idx: usize) -> Result<&str, SignalError> {
        text(self.call.function.name, self.call.args.get(idx))
    }

    fn timestamps(&self, idx: usize) -> Result<Frame, SignalError> {
        self.evaluator.timestamp(self.node(idx)?, self.grid)
    }

    fn fixed_labels(&self) -> &Labels {
        &self.call.absent_labels
    }

    fn grid(&self) -> &StepGrid {
        self.grid
    }

    fn limits(&self) -> &EvalLimits {
        self.evaluator.limits
    }
}

fn text<'a>(function: &'static str, node: Option<&'a Node>) -> Result<&'a str, SignalError> {
    match node {
        Some(Node::String(text)) => Ok(text),
        _ => Err(SignalError::Argument { function, message: "a string is needed".to_owned() }),
    }
}

/// Returns the elements of a frame with one step.
fn elements(frame: &Frame, time_ms: i64) -> Vec<VectorSample> {
    let present = frame.rows.iter().zip(&frame.cells).filter(|(_, cell)| !is_absent(**cell));
    present
        .map(|(row, cell): (&RowLabels, &f64)| VectorSample {
            labels: row.to_labels(),
            timestamp_ms: time_ms,
            value: *cell,
        })
        .collect()
}

/// Returns the stored samples of a range vector at its only step.
fn stored_series(range: &RangeRows<'_>) -> Vec<RangeSeries> {
    let (Some(end_ms), range_ms) = (range.windows.ends.first(), range.windows.range_ms) else { return Vec::new() };
    let start_ms = end_ms.saturating_sub(range_ms);
    let mut series = Vec::new();
    for row in &range.rows {
        let first = row.timestamps.partition_point(|timestamp| *timestamp <= start_ms);
        let after = row.timestamps.partition_point(|timestamp| timestamp <= end_ms);
        if first < after {
            series.push(RangeSeries {
                labels: row.labels.to_labels(),
                timestamps: row.timestamps[first..after].to_vec(),
                values: row.values[first..after].to_vec(),
            });
        }
    }
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}
