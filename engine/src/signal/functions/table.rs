//! The table of functions. A new function of PromQL is added here only.

use super::{
    histogram::{Noted, histogram_fraction, histogram_quantile, histogram_quantiles},
    labels::{absent, label_join, label_replace, scalar, sort_by_label, sort_by_value, vector},
    math::{check_levels, clamp, round, unary},
    over_time::{OverTime, over_time, present, quantile_over_time},
    rate::{RateKind, rate},
    regression::{double_exponential_smoothing, predict_linear},
    time::{CalendarField, calendar},
};
use crate::{
    series::Labels,
    signal::{
        EvalLimits, SignalError, ValueKind,
        frame::{Frame, StepGrid},
        native::{Shape, floats_only, shape},
        window::RangeRows,
    },
};

/// The arguments of one call. Each is evaluated when a function reads it.
pub(in crate::signal) trait Arguments {
    /// Returns the number of arguments.
    fn count(&self) -> usize;
    fn vector(&self, idx: usize) -> Result<Frame, SignalError>;
    /// Returns the elements of a vector that are floats.
    fn floats(&self, idx: usize) -> Result<Frame, SignalError> {
        self.vector(idx).map(floats_only)
    }
    /// Returns one number for each step.
    fn scalar(&self, idx: usize) -> Result<Vec<f64>, SignalError>;
    fn range(&self, idx: usize) -> Result<RangeRows<'_>, SignalError>;
    fn text(&self, idx: usize) -> Result<&str, SignalError>;
    /// Returns the time of each sample of a selector; of any other vector the evaluation time. In epoch seconds.
    fn timestamps(&self, idx: usize) -> Result<Frame, SignalError>;
    /// Returns the elements of an argument with the labels of their info series, as `info` does. The second argument, if
    /// any, selects labels.
    fn with_info(&self) -> Result<Frame, SignalError>;
    /// Returns the first byte of the call in the text of the query.
    fn call_at(&self) -> usize;
    /// Returns the first byte of an argument in the text of the query.
    fn at(&self, idx: usize) -> usize;
    /// Returns the start, the end and the step of the whole query in seconds; the step of an instant query is 0.
    fn query_span(&self) -> (f64, f64, f64);
    /// Returns the labels that the selector in the first argument fixes with `=`.
    fn fixed_labels(&self) -> &Labels;
    fn grid(&self) -> &StepGrid;
    fn limits(&self) -> &EvalLimits;
}

type Args<'a> = &'a dyn Arguments;

/// The implementation of a function, by the kind of its result.
#[derive(Debug, Clone, Copy)]
pub(in crate::signal) enum FunctionBody {
    /// One number for each step.
    Scalar(fn(Args<'_>) -> Result<Vec<f64>, SignalError>),
    /// An instant vector.
    Vector(fn(Args<'_>) -> Result<Frame, SignalError>),
}

/// The number of arguments that a call may have, relative to the kinds of `args`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArgumentCount {
    /// One for each kind.
    Exact,
    /// This many of the last ones may be left out.
    Optional(usize),
    /// The last may be left out or repeated.
    Repeated,
    /// The last may be repeated.
    OnceOrMore,
}

/// A function of PromQL.
#[derive(Debug, Clone, Copy)]
pub(in crate::signal) struct Function {
    pub(in crate::signal) name: &'static str,
    /// Kinds of the arguments.
    pub(in crate::signal) args: &'static [ValueKind],
    count: ArgumentCount,
    pub(in crate::signal) body: FunctionBody,
}

impl Function {
    /// Returns the kind of the result.
    pub(in crate::signal) fn kind(&self) -> ValueKind {
        match self.body {
            FunctionBody::Scalar(_) => ValueKind::Scalar,
            FunctionBody::Vector(_) => ValueKind::Vector,
        }
    }

    /// Returns the minimum and the maximum number of arguments; `None`: no maximum.
    pub(in crate::signal) fn counts(&self) -> (usize, Option<usize>) {
        let kinds = self.args.len();
        match self.count {
            ArgumentCount::Exact => (kinds, Some(kinds)),
            ArgumentCount::Optional(optional) => (kinds - optional, Some(kinds)),
            ArgumentCount::Repeated => (kinds - 1, None),
            ArgumentCount::OnceOrMore => (kinds, None),
        }
    }

    /// Whether each element of the result is of one element of its only vector argument, with the same labels except for the
    /// metric name.
    pub(in crate::signal) fn is_by_element(&self) -> bool {
        let vectors = self.args.iter().filter(|kind| matches!(kind, ValueKind::Vector | ValueKind::Matrix)).count();
        let others = self.args.iter().all(|kind| *kind != ValueKind::String);
        vectors == 1 && others && self.kind() == ValueKind::Vector && !ACROSS_ELEMENTS.contains(&self.name)
    }

    const fn optional(self, optional: usize) -> Self {
        Self { count: ArgumentCount::Optional(optional), ..self }
    }

    const fn at_least_once(self) -> Self {
        Self { count: ArgumentCount::OnceOrMore, ..self }
    }

    const fn repeated(self) -> Self {
        Self { count: ArgumentCount::Repeated, ..self }
    }
}

/// Returns the function with this name.
pub(in crate::signal) fn find_function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

const fn vectors(
    name: &'static str,
    args: &'static [ValueKind],
    body: fn(Args<'_>) -> Result<Frame, SignalError>,
) -> Function {
    Function { name, args, count: ArgumentCount::Exact, body: FunctionBody::Vector(body) }
}

const fn scalars(
    name: &'static str,
    args: &'static [ValueKind],
    body: fn(Args<'_>) -> Result<Vec<f64>, SignalError>,
) -> Function {
    Function { name, args, count: ArgumentCount::Exact, body: FunctionBody::Scalar(body) }
}

const S: ValueKind = ValueKind::Scalar;
const V: ValueKind = ValueKind::Vector;
const M: ValueKind = ValueKind::Matrix;
const T: ValueKind = ValueKind::String;

/// A function of a single value.
macro_rules! math {
    ($name:literal, $change:expr) => {
        vectors($name, &[V], |args| unary($change, args.floats(0)?))
    };
}

/// A function of all samples of a range.
macro_rules! each {
    ($name:literal, $function:ident) => {
        vectors($name, &[M], |args| over_time(OverTime::$function, &args.range(0)?, args.limits()))
    };
}

/// A function of the ends of a range.
macro_rules! ends {
    ($name:literal, $kind:ident) => {
        vectors($name, &[M], |args| rate(RateKind::$kind, &args.range(0)?, args.limits()))
    };
}

/// A calendar field; without an argument that of the evaluation time.
macro_rules! field {
    ($name:literal, $field:ident) => {
        vectors($name, &[V], |args| {
            let times = if args.count() == 0 { vector(args.grid().seconds()) } else { args.floats(0)? };
            calendar(CalendarField::$field, times)
        })
        .optional(1)
    };
}

/// A figure of native histograms: floats have no result.
macro_rules! native {
    ($name:literal, $shape:ident) => {
        vectors($name, &[V], |args| shape(Shape::$shape, args.vector(0)?, args.limits()))
    };
}

/// All functions.
pub(in crate::signal) static FUNCTIONS: &[Function] = &[
    ends!("rate", Rate),
    ends!("increase", Increase),
    ends!("delta", Delta),
    ends!("irate", Irate),
    ends!("idelta", Idelta),
    each!("avg_over_time", Avg),
    each!("min_over_time", Min),
    each!("max_over_time", Max),
    each!("sum_over_time", Sum),
    each!("count_over_time", Count),
    each!("first_over_time", First),
    each!("last_over_time", Last),
    each!("present_over_time", Present),
    each!("stddev_over_time", Stddev),
    each!("stdvar_over_time", Stdvar),
    each!("mad_over_time", Mad),
    each!("changes", Changes),
    each!("resets", Resets),
    each!("deriv", Deriv),
    each!("ts_of_first_over_time", TsOfFirst),
    each!("ts_of_last_over_time", TsOfLast),
    each!("ts_of_min_over_time", TsOfMin),
    each!("ts_of_max_over_time", TsOfMax),
    vectors("quantile_over_time", &[S, M], |args| {
        quantile_over_time(&args.scalar(0)?, args.at(0), &args.range(1)?, args.limits())
    }),
    vectors("predict_linear", &[M, S], |args| predict_linear(&args.scalar(1)?, &args.range(0)?, args.limits())),
    vectors("double_exponential_smoothing", &[M, S, S], |args| {
        double_exponential_smoothing(&args.scalar(1)?, &args.scalar(2)?, &args.range(0)?, args.limits())
    }),
    vectors("absent", &[V], |args| Ok(absent(args.fixed_labels(), &args.vector(0)?))),
    vectors("absent_over_time", &[M], |args| {
        Ok(absent(args.fixed_labels(), &present(&args.range(0)?, args.limits())?))
    }),
    math!("abs", f64::abs),
    math!("ceil", f64::ceil),
    math!("floor", f64::floor),
    math!("exp", f64::exp),
    math!("sqrt", f64::sqrt),
    math!("ln", f64::ln),
    math!("log2", f64::log2),
    math!("log10", f64::log10),
    math!("sin", f64::sin),
    math!("cos", f64::cos),
    math!("tan", f64::tan),
    math!("asin", f64::asin),
    math!("acos", f64::acos),
    math!("atan", f64::atan),
    math!("sinh", f64::sinh),
    math!("cosh", f64::cosh),
    math!("tanh", f64::tanh),
    math!("asinh", f64::asinh),
    math!("acosh", f64::acosh),
    math!("atanh", f64::atanh),
    math!("deg", |value| value * 180.0 / std::f64::consts::PI),
    math!("rad", |value| value * std::f64::consts::PI / 180.0),
    // The sign of zero is zero, that of NaN is NaN.
    math!("sgn", |value| if value == 0.0 || value.is_nan() { value } else { value.signum() }),
    vectors("round", &[V, S], |args| {
        let nearest = if args.count() > 1 { args.scalar(1)? } else { vec![1.0; args.grid().steps] };
        round(&nearest, args.floats(0)?)
    })
    .optional(1),
    vectors("clamp", &[V, S, S], |args| clamp(&args.scalar(1)?, &args.scalar(2)?, args.floats(0)?)),
    vectors("clamp_min", &[V, S], |args| {
        clamp(&args.scalar(1)?, &vec![f64::INFINITY; args.grid().steps], args.floats(0)?)
    }),
    vectors("clamp_max", &[V, S], |args| {
        clamp(&vec![f64::NEG_INFINITY; args.grid().steps], &args.scalar(1)?, args.floats(0)?)
    }),
    field!("minute", Minute),
    field!("hour", Hour),
    field!("day_of_week", DayOfWeek),
    field!("day_of_month", DayOfMonth),
    field!("day_of_year", DayOfYear),
    field!("days_in_month", DaysInMonth),
    field!("month", Month),
    field!("year", Year),
    scalars("time", &[], |args| Ok(args.grid().seconds())),
    scalars("pi", &[], |args| Ok(vec![std::f64::consts::PI; args.grid().steps])),
    scalars("scalar", &[V], |args| Ok(scalar(&args.floats(0)?))),
    vectors("vector", &[S], |args| Ok(vector(args.scalar(0)?))),
    vectors("timestamp", &[V], |args| args.timestamps(0)),
    vectors("sort", &[V], |args| sorted(args, args.floats(0)?, |frame| sort_by_value(frame, false))),
    vectors("sort_desc", &[V], |args| sorted(args, args.floats(0)?, |frame| sort_by_value(frame, true))),
    vectors("sort_by_label", &[V, T], |args| {
        let names = texts(args, 1)?;
        sorted(args, args.vector(0)?, |frame| sort_by_label(frame, &names, false))
    })
    .repeated(),
    vectors("sort_by_label_desc", &[V, T], |args| {
        let names = texts(args, 1)?;
        sorted(args, args.vector(0)?, |frame| sort_by_label(frame, &names, true))
    })
    .repeated(),
    vectors("label_replace", &[V, T, T, T, T], |args| {
        label_replace(args.vector(0)?, args.text(1)?, args.text(2)?, args.text(3)?, args.text(4)?)
    }),
    vectors("label_join", &[V, T, T, T], |args| {
        label_join(args.vector(0)?, args.text(1)?, args.text(2)?, &texts(args, 3)?)
    })
    .repeated(),
    vectors("histogram_quantile", &[S, V], |args| {
        let levels = args.scalar(0)?;
        check_levels(&levels, args.at(0), args.limits());
        histogram_quantile(&levels, &args.vector(1)?, noted(args, 1))
    }),
    vectors("histogram_quantiles", &[V, T, S], |args| {
        if args.count() > MOST_QUANTILES + 2 {
            let message = format!("{} quantiles are given, at most {MOST_QUANTILES} are allowed", args.count() - 2);
            return Err(SignalError::Argument { function: "histogram_quantiles", message });
        }
        let levels = (2..args.count()).map(|idx| args.scalar(idx)).collect::<Result<Vec<_>, _>>()?;
        levels.iter().enumerate().for_each(|(idx, all)| check_levels(all, args.at(idx + 2), args.limits()));
        histogram_quantiles(args.text(1)?, &levels, &args.vector(0)?, noted(args, 0))
    })
    .at_least_once(),
    vectors("histogram_fraction", &[S, S, V], |args| {
        histogram_fraction(&args.scalar(0)?, &args.scalar(1)?, &args.vector(2)?, noted(args, 2))
    }),
    native!("histogram_avg", Avg),
    native!("histogram_count", Count),
    native!("histogram_stddev", Stddev),
    native!("histogram_stdvar", Stdvar),
    native!("histogram_sum", Sum),
    // Stored samples have no start timestamps.
    vectors("start_timestamp", &[V], |args| args.vector(0).map(|frame| Frame::new(frame.steps))),
    vectors("info", &[V, V], |args| args.with_info()).optional(1),
    scalars("start", &[], |args| Ok(vec![args.query_span().0; args.grid().steps])),
    scalars("end", &[], |args| Ok(vec![args.query_span().1; args.grid().steps])),
    scalars("range", &[], |args| {
        let (start, end, _) = args.query_span();
        Ok(vec![end - start; args.grid().steps])
    }),
    scalars("step", &[], |args| Ok(vec![args.query_span().2; args.grid().steps])),
    scalars("min_of", &[S, S], |args| either(args, |left, right| right < left || right.is_nan())),
    scalars("max_of", &[S, S], |args| either(args, |left, right| right > left || right.is_nan())),
];

/// Most quantiles of `histogram_quantiles`, as in Prometheus.
const MOST_QUANTILES: usize = 10;

/// Functions of one vector that look at several of its elements, or at their order.
const ACROSS_ELEMENTS: &[&str] =
    &["absent", "absent_over_time", "histogram_fraction", "histogram_quantile", "sort", "sort_desc"];

/// Functions that are experimental in Prometheus.
pub(in crate::signal) const EXPERIMENTAL: &[&str] = &[
    "double_exponential_smoothing",
    "end",
    "histogram_quantiles",
    "info",
    "mad_over_time",
    "max_of",
    "min_of",
    "range",
    "sort_by_label",
    "sort_by_label_desc",
    "start",
    "start_timestamp",
    "step",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
];

/// Functions that are keywords of durations and of `@`, so that their names may be in capitals.
pub(in crate::signal) const IN_DURATIONS: &[&str] = &["end", "max_of", "min_of", "range", "start", "step"];

/// Returns where notes about an argument go.
fn noted(args: Args<'_>, idx: usize) -> Noted<'_> {
    Noted { at: args.at(idx), limits: args.limits() }
}

/// Returns for each step the second argument if `takes_second`, else the first.
fn either(args: Args<'_>, takes_second: fn(f64, f64) -> bool) -> Result<Vec<f64>, SignalError> {
    let pairs = args.scalar(0)?.into_iter().zip(args.scalar(1)?);
    Ok(pairs.map(|(left, right)| if !left.is_nan() && takes_second(left, right) { right } else { left }).collect())
}

/// Returns the texts of the arguments from `from` on.
fn texts(args: Args<'_>, from: usize) -> Result<Vec<&str>, SignalError> {
    (from..args.count()).map(|idx| args.text(idx)).collect()
}

/// Sorts the elements of an instant query. The series of a range query are always ordered by labels.
fn sorted(args: Args<'_>, frame: Frame, sort: impl Fn(&Frame) -> Frame) -> Result<Frame, SignalError> {
    let (start, end, _) = args.query_span();
    if start < end {
        args.limits()
            .notes
            .warn(args.call_at(), "sorting has no effect in a range query, whose series are ordered by labels");
    }
    Ok(if args.grid().steps == 1 { sort(&frame) } else { frame })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
        assert_eq!(names.len(), FUNCTIONS.len());
        assert!(EXPERIMENTAL.iter().chain(IN_DURATIONS).chain(ACROSS_ELEMENTS).all(|name| names.contains(name)));
        assert!(FUNCTIONS.iter().all(|function| function.counts().0 <= function.args.len()));
    }
}
