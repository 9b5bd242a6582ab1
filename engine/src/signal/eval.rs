//! Evaluates a plan on a grid of steps: at one time, over a range, or densely over a range.

use super::{
    DenseRow, DenseSeries, EvalLimits, Query, RangeSeries, SignalError, Value, ValueKind, VectorSample,
    aggregate::{self, Groups, Pick},
    binary::{self, Side},
    frame::{Frame, Grid, RowLabels, is_absent},
    functions,
    plan::{Aggregate, AggregateOp, Binary, BinaryOp, Call, Function, Grouping, Node, Selector},
    select::{Clock, Loaded, RangeRows, Samples, Shown, Span, Windows, instant_frame},
};
use hashbrown::HashMap;

use crate::series::{Labels, SampleSource};

/// Evaluates an expression at one time, in epoch milliseconds.
///
/// # Errors
/// [`SignalError`]: limits passed, ambiguous matching, the source failed.
pub fn instant(
    source: &dyn SampleSource,
    query: &Query,
    time_ms: i64,
    limits: &EvalLimits,
) -> Result<Value, SignalError> {
    let grid = Grid { start_ms: time_ms, step_ms: 1, steps: 1 };
    let clock = Clock::new(&grid, limits);
    let samples = Samples::fetch(source, query, &grid, &clock, limits)?;
    let evaluator = Evaluator { clock, samples, limits };
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

/// Evaluates an expression at every step from `start_ms` to at most `end_ms`; series are ordered by
/// labels, those without a value are left out. A scalar gives one series without labels.
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
/// [`SignalError`]: no or too many steps, limits passed, ambiguous matching, the source failed.
pub fn range(
    source: &dyn SampleSource,
    query: &Query,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    limits: &EvalLimits,
) -> Result<Vec<RangeSeries>, SignalError> {
    let (evaluation, grid) = RangeEvaluation::new(source, query, start_ms, end_ms, step_ms, limits)?;
    let mut gathered = Gathered::default();
    evaluation.run(grid, &mut |frame, grid| gathered.add(frame, grid, limits))?;
    Ok(gathered.finish())
}

/// As [`range`], but one value a step for each series, NaN where there is none: the evaluator's own form, for callers that
/// compute on evenly spaced values.
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
        // A long range is evaluated in parts; each lies at its place in the whole grid.
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

/// Series being gathered: piece after piece of the grid.
#[derive(Default)]
struct Gathered {
    series: HashMap<Labels, (Vec<i64>, Vec<f64>)>,
    samples: usize,
}

impl Gathered {
    fn add(&mut self, frame: &Frame, grid: &Grid, limits: &EvalLimits) -> Result<(), SignalError> {
        for row in 0..frame.rows.len() {
            let there = || grid.times().zip(frame.row(row)).filter(|(_, cell)| !is_absent(**cell));
            let count = there().count();
            if count == 0 {
                continue;
            }
            self.samples += count;
            limits.check_cells(self.samples)?;
            let (timestamps, values) = self.series.entry(frame.rows[row].to_labels()).or_default();
            timestamps.extend(there().map(|(time, _)| time));
            values.extend(there().map(|(_, cell)| *cell));
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

/// A range query with all that its evaluation needs.
struct RangeEvaluation<'a> {
    source: &'a dyn SampleSource,
    query: &'a Query,
    clock: Clock,
    limits: &'a EvalLimits,
}

impl<'a> RangeEvaluation<'a> {
    /// The evaluation and its grid.
    fn new(
        source: &'a dyn SampleSource,
        query: &'a Query,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        limits: &'a EvalLimits,
    ) -> Result<(Self, Grid), SignalError> {
        if !matches!(query.kind(), ValueKind::Scalar | ValueKind::Vector) {
            return Err(SignalError::Kind { found: query.kind().name(), wanted: "scalar or instant vector" });
        }
        if step_ms <= 0 || end_ms < start_ms {
            return Err(SignalError::Range { start_ms, end_ms, step_ms });
        }
        let intervals = end_ms.abs_diff(start_ms) / step_ms.unsigned_abs();
        let steps = usize::try_from(intervals).ok().filter(|intervals| *intervals <= limits.max_steps);
        let Some(intervals) = steps else {
            return Err(SignalError::TooManySteps { steps: intervals.saturating_add(1), limit: limits.max_steps });
        };
        let grid = Grid { start_ms, step_ms, steps: intervals + 1 };
        // `@ end()` is the end asked for, also when no step falls on it.
        let clock = Clock { end_ms, ..Clock::new(&grid, limits) };
        Ok((Self { source, query, clock, limits }, grid))
    }

    /// Evaluates all steps of `grid` at once and gives the frame to `take`; where that needs more samples in memory than
    /// allowed, its halves one after the other, since no step needs another.
    fn run(
        &self,
        grid: Grid,
        take: &mut dyn FnMut(&Frame, &Grid) -> Result<(), SignalError>,
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

    fn evaluate(&self, grid: &Grid) -> Result<Frame, SignalError> {
        let samples = Samples::fetch(self.source, self.query, grid, &self.clock, self.limits)?;
        let evaluator = Evaluator { clock: self.clock, samples, limits: self.limits };
        Ok(match evaluator.eval(self.query.root(), grid)? {
            Evaluated::Scalar(values) => functions::vector(values),
            Evaluated::Vector(frame) => frame,
        })
    }
}

/// What an operation gives on a grid.
enum Evaluated {
    /// One number per step.
    Scalar(Vec<f64>),
    Vector(Frame),
}

struct Evaluator<'a> {
    clock: Clock,
    samples: Samples,
    limits: &'a EvalLimits,
}

impl Evaluator<'_> {
    fn eval(&self, node: &Node, grid: &Grid) -> Result<Evaluated, SignalError> {
        self.limits.check_cells(grid.steps)?;
        Ok(match node {
            Node::Number(value) => Evaluated::Scalar(vec![*value; grid.steps]),
            Node::Select(selector) => Evaluated::Vector(self.select(selector, grid, Shown::Value)?),
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
                return Err(SignalError::Kind { found: node.kind().name(), wanted: "scalar or instant vector" });
            }
        })
    }

    fn vector(&self, node: &Node, grid: &Grid) -> Result<Frame, SignalError> {
        match self.eval(node, grid)? {
            Evaluated::Vector(frame) => Ok(frame),
            Evaluated::Scalar(_) => Err(SignalError::Kind { found: "scalar", wanted: "instant vector" }),
        }
    }

    fn scalar(&self, node: &Node, grid: &Grid) -> Result<Vec<f64>, SignalError> {
        match self.eval(node, grid)? {
            Evaluated::Scalar(values) => Ok(values),
            Evaluated::Vector(_) => Err(SignalError::Kind { found: "instant vector", wanted: "scalar" }),
        }
    }

    fn select(&self, selector: &Selector, grid: &Grid, shown: Shown) -> Result<Frame, SignalError> {
        match self.samples.of(selector) {
            Some(loaded) => instant_frame(loaded, selector, grid, &self.clock, shown, self.limits),
            None => Ok(Frame::new(grid.steps)),
        }
    }

    /// The range vector that a function's argument stands for.
    fn range_rows<'s>(&'s self, node: &Node, grid: &Grid) -> Result<RangeRows<'s>, SignalError> {
        match node {
            Node::Range(range) => {
                let windows = Windows::new(*grid, range.selector.shift, range.range_ms, &self.clock);
                static NOTHING: Loaded = Loaded { series: Vec::new(), one_metric: true };
                Ok(RangeRows::stored(self.samples.of(&range.selector).unwrap_or(&NOTHING), windows))
            }
            Node::Subquery(subquery) => {
                let span = Span { start_ms: grid.start_ms, end_ms: grid.last() };
                let inner = self.clock.subquery_grid(subquery, span);
                let windows = Windows::new(*grid, subquery.shift, subquery.range_ms, &self.clock);
                let frame = self.vector(&subquery.inner, &inner)?;
                Ok(RangeRows::computed(&frame, &inner, windows))
            }
            other => Err(SignalError::Kind { found: other.kind().name(), wanted: "range vector" }),
        }
    }

    fn aggregate(&self, aggregate: &Aggregate, grid: &Grid) -> Result<Frame, SignalError> {
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
            AggregateOp::Topk => aggregate::rank(Pick::Greatest, name, &param()?, &frame, &groups()),
            AggregateOp::Bottomk => aggregate::rank(Pick::Least, name, &param()?, &frame, &groups()),
            AggregateOp::Limitk => aggregate::rank(Pick::First, name, &param()?, &frame, &groups()),
            AggregateOp::CountValues => {
                let label = text(name, aggregate.param.as_ref())?;
                // The label that tells the value takes the place of one with the same name.
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

    fn binary(&self, binary: &Binary, grid: &Grid) -> Result<Evaluated, SignalError> {
        let (op, bool) = (binary.op, binary.return_bool);
        let (left, right) = (self.eval(&binary.left, grid)?, self.eval(&binary.right, grid)?);
        Ok(match (left, right) {
            (Evaluated::Scalar(left), Evaluated::Scalar(right)) => {
                Evaluated::Scalar(binary::between_scalars(op, &left, &right))
            }
            (Evaluated::Vector(left), Evaluated::Scalar(right)) => {
                Evaluated::Vector(binary::with_scalar(op, bool, left, &right, Side::Left)?)
            }
            (Evaluated::Scalar(left), Evaluated::Vector(right)) => {
                Evaluated::Vector(binary::with_scalar(op, bool, right, &left, Side::Right)?)
            }
            (Evaluated::Vector(left), Evaluated::Vector(right)) => Evaluated::Vector(match op {
                BinaryOp::Set(set) => binary::set_operation(set, left, right, &binary.matching)?,
                _ => binary::between_vectors(binary, &left, &right, self.limits)?,
            }),
        })
    }

    fn call(&self, call: &Call, grid: &Grid) -> Result<Evaluated, SignalError> {
        let args = Args { evaluator: self, call, grid };
        let frame = match call.function {
            Function::Time => return Ok(Evaluated::Scalar(grid.seconds())),
            Function::Pi => return Ok(Evaluated::Scalar(vec![std::f64::consts::PI; grid.steps])),
            Function::Scalar => return Ok(Evaluated::Scalar(functions::scalar(&args.vector(0)?))),
            Function::Vector => functions::vector(args.scalar(0)?),
            Function::Timestamp => self.timestamp(args.node(0)?, grid)?,
            Function::Absent => functions::absent(&call.absent_labels, &args.vector(0)?),
            Function::AbsentOverTime => {
                let present = functions::present(&args.range(0)?, self.limits)?;
                functions::absent(&call.absent_labels, &present)
            }
            Function::Rate(kind) => functions::rate(kind, &args.range(0)?, self.limits)?,
            Function::OverTime(function) => functions::over_time(function, &args.range(0)?, self.limits)?,
            Function::QuantileOverTime => {
                functions::quantile_over_time(&args.scalar(0)?, &args.range(1)?, self.limits)?
            }
            Function::PredictLinear => functions::predict_linear(&args.scalar(1)?, &args.range(0)?, self.limits)?,
            Function::DoubleExponentialSmoothing => functions::double_exponential_smoothing(
                &args.scalar(1)?,
                &args.scalar(2)?,
                &args.range(0)?,
                self.limits,
            )?,
            Function::Math(function) => functions::unary(function, args.vector(0)?)?,
            Function::Round => functions::round(&args.scalar_or(1, 1.0)?, args.vector(0)?)?,
            Function::Clamp => functions::clamp(&args.scalar(1)?, &args.scalar(2)?, args.vector(0)?)?,
            Function::ClampMin => {
                functions::clamp(&args.scalar(1)?, &vec![f64::INFINITY; grid.steps], args.vector(0)?)?
            }
            Function::ClampMax => {
                functions::clamp(&vec![f64::NEG_INFINITY; grid.steps], &args.scalar(1)?, args.vector(0)?)?
            }
            Function::Calendar(field) => {
                let times = if call.args.is_empty() { functions::vector(grid.seconds()) } else { args.vector(0)? };
                functions::calendar(field, times)?
            }
            Function::Sort => args.sorted(|frame| functions::sort_by_value(frame, false))?,
            Function::SortDesc => args.sorted(|frame| functions::sort_by_value(frame, true))?,
            Function::SortByLabel | Function::SortByLabelDesc => {
                let names = args.texts(1)?;
                let descending = call.function == Function::SortByLabelDesc;
                args.sorted(|frame| functions::sort_by_label(frame, &names, descending))?
            }
            Function::LabelReplace => {
                functions::label_replace(args.vector(0)?, args.text(1)?, args.text(2)?, args.text(3)?, args.text(4)?)?
            }
            Function::LabelJoin => {
                functions::label_join(args.vector(0)?, args.text(1)?, args.text(2)?, &args.texts(3)?)?
            }
            Function::HistogramQuantile => functions::histogram_quantile(&args.scalar(0)?, &args.vector(1)?)?,
            Function::HistogramFraction => {
                functions::histogram_fraction(&args.scalar(0)?, &args.scalar(1)?, &args.vector(2)?)?
            }
        };
        Ok(Evaluated::Vector(frame))
    }

    /// The time of each sample that a selector finds; of anything else the time of evaluation.
    fn timestamp(&self, node: &Node, grid: &Grid) -> Result<Frame, SignalError> {
        if let Node::Select(selector) = node {
            return self.select(selector, grid, Shown::Timestamp)?.drop_names();
        }
        let (mut frame, seconds) = (self.vector(node, grid)?, grid.seconds());
        frame.map_steps(|step, _| seconds[step]);
        frame.drop_names()
    }
}

/// The arguments of one call, evaluated when they are asked for.
struct Args<'a, 'e> {
    evaluator: &'a Evaluator<'e>,
    call: &'a Call,
    grid: &'a Grid,
}

impl<'a> Args<'a, '_> {
    fn node(&self, idx: usize) -> Result<&'a Node, SignalError> {
        // The parser checks how many arguments there are.
        self.call.args.get(idx).ok_or_else(|| SignalError::Argument {
            function: "call",
            message: format!("argument {} is missing", idx + 1),
        })
    }

    fn vector(&self, idx: usize) -> Result<Frame, SignalError> {
        self.evaluator.vector(self.node(idx)?, self.grid)
    }

    fn scalar(&self, idx: usize) -> Result<Vec<f64>, SignalError> {
        self.evaluator.scalar(self.node(idx)?, self.grid)
    }

    fn scalar_or(&self, idx: usize, default: f64) -> Result<Vec<f64>, SignalError> {
        if idx < self.call.args.len() { self.scalar(idx) } else { Ok(vec![default; self.grid.steps]) }
    }

    fn range(&self, idx: usize) -> Result<RangeRows<'a>, SignalError> {
        self.evaluator.range_rows(self.node(idx)?, self.grid)
    }

    fn text(&self, idx: usize) -> Result<&'a str, SignalError> {
        text("call", self.call.args.get(idx))
    }

    fn texts(&self, from: usize) -> Result<Vec<&'a str>, SignalError> {
        (from..self.call.args.len()).map(|idx| self.text(idx)).collect()
    }

    /// Sorts an instant query's elements; over a range there is no order but that of labels.
    fn sorted(&self, sort: impl Fn(&Frame) -> Frame) -> Result<Frame, SignalError> {
        let frame = self.vector(0)?;
        Ok(if self.grid.steps == 1 { sort(&frame) } else { frame })
    }
}

fn text<'a>(function: &'static str, node: Option<&'a Node>) -> Result<&'a str, SignalError> {
    match node {
        Some(Node::String(text)) => Ok(text),
        _ => Err(SignalError::Argument { function, message: "a string is needed".to_owned() }),
    }
}

fn elements(frame: &Frame, time_ms: i64) -> Vec<VectorSample> {
    let there = frame.rows.iter().zip(&frame.cells).filter(|(_, cell)| !is_absent(**cell));
    there
        .map(|(row, cell): (&RowLabels, &f64)| VectorSample {
            labels: row.to_labels(),
            timestamp_ms: time_ms,
            value: *cell,
        })
        .collect()
}

/// The samples of a range vector at the only step.
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
