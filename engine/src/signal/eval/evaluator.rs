//! Evaluates the nodes of a plan on a grid of steps.

use super::info;
use crate::{
    series::{Labels, METRIC_NAME, SampleSource},
    signal::{
        EvalLimits, RangeSeries, SignalError,
        aggregate::{self, Groups, RankBy},
        binary::{self, Operands, VectorSide},
        frame::{Frame, StepGrid, is_absent, is_histogram},
        functions::{Arguments, FunctionBody, check_levels},
        native,
        plan::{Aggregate, AggregateOp, Binary, BinaryOp, Call, Grouping, Node, Selector},
        select::{QuerySamples, SampleField, Span, instant_frame, smoothed_frame},
        time::{Extension, QueryTimes},
        window::{RangeRows, SampleWindow, StepWindows, interpolated},
    },
};

/// The whole query in epoch milliseconds; the step of an instant query is 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuerySpan {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step_ms: i64,
}

/// Result of an operation on a grid.
pub(super) enum Evaluated {
    /// One number for each step.
    Scalar(Vec<f64>),
    Vector(Frame),
}

pub(super) struct Evaluator<'a> {
    pub(super) source: &'a dyn SampleSource,
    pub(super) query_times: QueryTimes,
    pub(super) samples: QuerySamples,
    pub(super) limits: &'a EvalLimits,
    pub(super) span: QuerySpan,
}

impl Evaluator<'_> {
    /// Evaluates a scalar or an instant vector.
    pub(super) fn eval(&self, node: &Node, grid: &StepGrid) -> Result<Evaluated, SignalError> {
        self.limits.check_cells(grid.steps)?;
        Ok(match node {
            Node::Number(value) | Node::Duration(value) => Evaluated::Scalar(vec![*value; grid.steps]),
            Node::Paren(inner) | Node::Plus(inner) => self.eval(inner, grid)?,
            Node::Select(selector) => Evaluated::Vector(self.select(selector, grid, SampleField::Value)?),
            Node::Negate(inner) => match self.eval(inner, grid)? {
                Evaluated::Scalar(values) => Evaluated::Scalar(values.into_iter().map(|value| -value).collect()),
                Evaluated::Vector(frame) => Evaluated::Vector(binary::negated(frame, self.limits)?),
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

    pub(super) fn vector(&self, node: &Node, grid: &StepGrid) -> Result<Frame, SignalError> {
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
            Some(loaded) if selector.extension == Some(Extension::Smoothed) && field == SampleField::Value => {
                smoothed_frame(loaded, selector, grid, &self.query_times, self.limits)
            }
            Some(loaded) => instant_frame(loaded, selector, grid, &self.query_times, field, self.limits),
            None => Ok(Frame::new(grid.steps)),
        }
    }

    /// Evaluates the range vector of a function's argument: a range selector or a subquery.
    fn range_rows<'s>(&'s self, node: &Node, grid: &StepGrid) -> Result<RangeRows<'s>, SignalError> {
        match node.unwrapped() {
            Node::Range(range) => {
                let windows = StepWindows::new(*grid, range.selector.shift, range.range_ms, &self.query_times);
                let windows = windows.extended(range.selector.extension, &self.query_times);
                let delays = self.limits.delays_names;
                Ok(match self.samples.of(&range.selector) {
                    Some(selected) => RangeRows::stored(selected.iter(), selected.loaded.one_metric, delays, windows),
                    // A selector inside a subquery without steps was not read.
                    None => RangeRows::stored([].iter(), true, delays, windows),
                })
            }
            Node::Subquery(subquery) => {
                let span = Span { start_ms: grid.start_ms, end_ms: grid.last() };
                let inner = self.query_times.subquery_grid(subquery, span);
                let windows = StepWindows::new(*grid, subquery.shift, subquery.range_ms, &self.query_times);
                let frame = self.vector(&subquery.inner, &inner)?;
                Ok(RangeRows::computed(&frame, &inner, windows, &self.limits.arena))
            }
            other => Err(SignalError::Kind { found: other.kind().with_article(), wanted: "a range vector" }),
        }
    }

    /// Returns the samples of a range vector at its only step.
    pub(super) fn stored_series(&self, node: &Node, grid: &StepGrid) -> Result<Vec<RangeSeries>, SignalError> {
        Ok(stored_samples(&self.range_rows(node, grid)?, self.limits))
    }

    fn aggregate(&self, aggregate: &Aggregate, grid: &StepGrid) -> Result<Frame, SignalError> {
        if let Some(frame) = self.reduced_in_parts(aggregate, grid)? {
            return Ok(frame);
        }
        let mut frame = self.vector(&aggregate.inner, grid)?;
        let without = |frame: Frame, at| native::without_histograms(frame, aggregate.op.name(), at, self.limits);
        match aggregate.op {
            AggregateOp::Min | AggregateOp::Max | AggregateOp::Stddev | AggregateOp::Stdvar | AggregateOp::Quantile => {
                frame = without(frame, aggregate.inner_start)
            }
            AggregateOp::Topk | AggregateOp::Bottomk => frame = without(frame, aggregate.start),
            _ => {}
        }
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
            AggregateOp::Quantile => {
                let levels = param()?;
                check_levels(&levels, aggregate.param_start, self.limits);
                Ok(aggregate::quantile(&levels, &frame, &groups()))
            }
            AggregateOp::Topk => aggregate::rank(RankBy::Greatest, name, &param()?, &frame, &groups()),
            AggregateOp::Bottomk => aggregate::rank(RankBy::Least, name, &param()?, &frame, &groups()),
            AggregateOp::Limitk => aggregate::rank(RankBy::First, name, &param()?, &frame, &groups()),
            AggregateOp::LimitRatio => {
                let ratios = param()?;
                for ratio in ratios.iter().filter(|ratio| ratio.abs() > 1.0) {
                    let most = ratio.signum();
                    let message = format!("a ratio is between -1 and 1, this one is {ratio}; {most} is used");
                    self.limits.notes.warn(aggregate.param_start, message);
                }
                aggregate::limit_ratio(&ratios, frame)
            }
            AggregateOp::CountValues => {
                let label = text(name, aggregate.param.as_ref())?;
                // The label of the value replaces a grouping label with the same name.
                let Grouping { mut names, without } = aggregate.grouping.clone();
                names.retain(|name| name != label);
                if without {
                    names.push(label.to_owned());
                }
                aggregate::count_values(label, &frame, &Groups::new(&frame, &Grouping { names, without }), self.limits)
            }
            op => aggregate::reduce(op, &frame, &aggregate.grouping, aggregate.inner_start, self.limits),
        }
    }

    fn binary(&self, binary: &Binary, grid: &StepGrid) -> Result<Evaluated, SignalError> {
        let (op, bool) = (binary.op, binary.return_bool);
        let (left, right) = (self.eval(&binary.left, grid)?, self.eval(&binary.right, grid)?);
        let operands = Operands { limits: self.limits, at: binary.start };
        Ok(match (left, right) {
            (Evaluated::Scalar(left), Evaluated::Scalar(right)) => {
                Evaluated::Scalar(binary::between_scalars(op, &left, &right))
            }
            (Evaluated::Vector(left), Evaluated::Scalar(right)) => {
                Evaluated::Vector(binary::with_scalar(op, bool, left, &right, VectorSide::Left, operands)?)
            }
            (Evaluated::Scalar(left), Evaluated::Vector(right)) => {
                Evaluated::Vector(binary::with_scalar(op, bool, right, &left, VectorSide::Right, operands)?)
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
        if let Node::Select(selector) = node.unwrapped() {
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
        let rows = self.evaluator.range_rows(self.node(idx)?, self.grid)?;
        Ok(RangeRows { at: self.at(idx), ..rows })
    }

    fn text(&self, idx: usize) -> Result<&str, SignalError> {
        text(self.call.function.name, self.call.args.get(idx))
    }

    fn timestamps(&self, idx: usize) -> Result<Frame, SignalError> {
        self.evaluator.timestamp(self.node(idx)?, self.grid)
    }

    fn with_info(&self) -> Result<Frame, SignalError> {
        let Evaluator { source, query_times, limits, .. } = self.evaluator;
        let times = info::Times { grid: self.grid, query_times, base: self.node(0)? };
        let frame = self.vector(0)?;
        let labels = match self.call.args.get(1) {
            Some(Node::Select(selector)) => Some(&*selector.matchers),
            _ => None,
        };
        info::enriched(*source, frame, labels, &times, limits)
    }

    fn at(&self, idx: usize) -> usize {
        self.call.arg_starts.get(idx).copied().unwrap_or(self.call.start)
    }

    fn call_at(&self) -> usize {
        self.call.start
    }

    #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
    fn query_span(&self) -> (f64, f64, f64) {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let QuerySpan { start_ms, end_ms, step_ms } = self.evaluator.span;
        (seconds(start_ms), seconds(end_ms), seconds(step_ms))
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
    match node.map(Node::unwrapped) {
        Some(Node::String(text)) => Ok(text),
        _ => Err(SignalError::Argument { function, message: "a string is needed".to_owned() }),
    }
}

/// Returns the samples of a range vector at its only step, of an extended one with samples at both ends.
fn stored_samples(range: &RangeRows<'_>, limits: &EvalLimits) -> Vec<RangeSeries> {
    let (Some(end_ms), range_ms) = (range.windows.ends.first(), range.windows.range_ms) else { return Vec::new() };
    let start_ms = end_ms.saturating_sub(range_ms);
    let mut series = Vec::new();
    for row in &range.rows {
        let mut labels = row.labels.clone();
        labels.finish();
        if let Some((extension, _)) = range.windows.extension {
            let mut found = None;
            // The sample at an end of the range, between two others.
            let between = |a: (i64, f64), b: (i64, f64), time: i64| {
                if !is_histogram(a.1) && !is_histogram(b.1) {
                    return interpolated(a, b, time, false);
                }
                let name = row.labels.get(METRIC_NAME);
                native::smoothed(&[a, b], (Some(a), Some(b)), time, name, range.at, limits)
            };
            range.windows.fill_extended(row, &mut [0.0], |window| {
                found = extended_samples(window, extension, between);
                None
            });
            if let Some(samples) = found {
                let samples = samples.into_iter().filter(|(_, value)| !is_absent(*value));
                series.push(RangeSeries::new(labels.to_labels(), samples, &limits.arena));
            }
            continue;
        }
        let first = row.timestamps.partition_point(|timestamp| *timestamp <= start_ms);
        let after = row.timestamps.partition_point(|timestamp| timestamp <= end_ms);
        if first < after {
            let samples = row.timestamps[first..after].iter().copied().zip(row.values[first..after].iter().copied());
            series.push(RangeSeries::new(labels.to_labels(), samples, &limits.arena));
        }
    }
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}

/// Returns the samples within a window, with one at each of its ends, of a `smoothed` range computed by `between`. `None`
/// if no sample is after its start.
fn extended_samples(
    window: &SampleWindow<'_>,
    extension: Extension,
    between: impl Fn((i64, f64), (i64, f64), i64) -> f64,
) -> Option<Vec<(i64, f64)>> {
    let (times, values) = (window.timestamps, window.values);
    let (start, end) = (window.start_ms, window.end_ms);
    let is_smoothed = extension == Extension::Smoothed;
    let newest = times.len().checked_sub(1)?;
    let last = if is_smoothed { times.partition_point(|time| *time < end).min(newest) } else { newest };
    if times[last] <= start {
        return None;
    }
    let first = times.partition_point(|time| *time <= start).saturating_sub(1);
    let sample = |idx: usize| (times[idx], values[idx]);
    let left = if is_smoothed && times[first] < start {
        between(sample(first), sample(first + 1), start)
    } else {
        values[first]
    };
    let right = if is_smoothed && last > 0 && times[last] > end {
        between(sample(last - 1), sample(last), end)
    } else {
        values[last]
    };
    let inside = (first..=last).filter(|idx| times[*idx] > start && times[*idx] < end).map(sample);
    Some([(start, left)].into_iter().chain(inside).chain([(end, right)]).collect())
}
