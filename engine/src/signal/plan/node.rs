//! The nodes of a plan: the operations of an expression.

use std::sync::Arc;

use super::DurationNode;
use crate::{
    series::{Labels, Matcher},
    signal::{
        ValueKind,
        functions::Function,
        time::{Extension, TimeShift},
    },
};

/// One operation of an expression. Constants are not folded.
#[derive(Debug, Clone)]
pub(in crate::signal) enum Node {
    Number(f64),
    /// A number with a unit, in seconds.
    Duration(f64),
    String(String),
    Select(Selector),
    Range(RangeSelector),
    Subquery(Subquery),
    Negate(Box<Node>),
    /// A plus sign before an operand.
    Plus(Box<Node>),
    /// An operand in parentheses.
    Paren(Box<Node>),
    Call(Call),
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
}

impl Node {
    /// Returns the kind of the result.
    pub(in crate::signal) fn kind(&self) -> ValueKind {
        match self {
            Self::Number(_) | Self::Duration(_) => ValueKind::Scalar,
            Self::String(_) => ValueKind::String,
            Self::Select(_) | Self::Aggregate(_) => ValueKind::Vector,
            Self::Range(_) | Self::Subquery(_) => ValueKind::Matrix,
            Self::Negate(inner) | Self::Plus(inner) | Self::Paren(inner) => inner.kind(),
            Self::Call(call) => call.function.kind(),
            Self::Binary(binary) => match (binary.left.kind(), binary.right.kind()) {
                (ValueKind::Scalar, ValueKind::Scalar) => ValueKind::Scalar,
                _ => ValueKind::Vector,
            },
        }
    }

    /// Returns the node without the parentheses around it.
    pub(in crate::signal) fn unwrapped(&self) -> &Self {
        let mut node = self;
        while let Self::Paren(inner) = node {
            node = inner;
        }
        node
    }

    /// Returns the operands.
    pub(in crate::signal) fn children(&self) -> Vec<&Node> {
        match self {
            Self::Number(_) | Self::Duration(_) | Self::String(_) | Self::Select(_) | Self::Range(_) => Vec::new(),
            Self::Subquery(subquery) => vec![&subquery.inner],
            Self::Negate(inner) | Self::Plus(inner) | Self::Paren(inner) => vec![inner],
            Self::Call(call) => call.args.iter().collect(),
            Self::Aggregate(aggregate) => {
                let mut children = vec![&aggregate.inner];
                children.extend(&aggregate.param);
                children
            }
            Self::Binary(binary) => vec![&binary.left, &binary.right],
        }
    }

    /// Returns the operands for changes.
    pub(in crate::signal) fn children_mut(&mut self) -> Vec<&mut Node> {
        match self {
            Self::Number(_) | Self::Duration(_) | Self::String(_) | Self::Select(_) | Self::Range(_) => Vec::new(),
            Self::Subquery(subquery) => vec![&mut subquery.inner],
            Self::Negate(inner) | Self::Plus(inner) | Self::Paren(inner) => vec![inner],
            Self::Call(call) => call.args.iter_mut().collect(),
            Self::Aggregate(aggregate) => {
                let mut children = vec![&mut aggregate.inner];
                children.extend(&mut aggregate.param);
                children
            }
            Self::Binary(binary) => vec![&mut binary.left, &mut binary.right],
        }
    }
}

/// An instant vector selector.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Selector {
    /// Number of the selector within its query, from 0.
    pub(in crate::signal) slot: usize,
    pub(in crate::signal) matchers: Arc<[Matcher]>,
    /// Whether the first matcher is the metric name, written before the braces.
    pub(in crate::signal) has_name: bool,
    pub(in crate::signal) shift: TimeShift,
    /// Offset that is an expression; its value is in `shift` when the query is evaluated.
    pub(in crate::signal) offset: Option<Box<DurationNode>>,
    pub(in crate::signal) extension: Option<Extension>,
    /// First byte in the text.
    pub(in crate::signal) start: usize,
}

impl Selector {
    /// Whether the selector has no modifier.
    pub(in crate::signal) fn is_plain(&self) -> bool {
        self.shift == TimeShift::default() && self.offset.is_none() && self.extension.is_none()
    }
}

/// A range vector selector.
#[derive(Debug, Clone)]
pub(in crate::signal) struct RangeSelector {
    pub(in crate::signal) selector: Selector,
    pub(in crate::signal) range_ms: i64,
    /// Range that is an expression; its value is in `range_ms` when the query is evaluated.
    pub(in crate::signal) range: Option<Box<DurationNode>>,
}

/// An expression evaluated on its own steps over a range.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Subquery {
    pub(in crate::signal) inner: Box<Node>,
    pub(in crate::signal) range_ms: i64,
    /// `None`: the default step of the limits.
    pub(in crate::signal) step_ms: Option<i64>,
    pub(in crate::signal) shift: TimeShift,
    /// Range, step and offset that are expressions, with their values as in a selector.
    pub(in crate::signal) range: Option<Box<DurationNode>>,
    pub(in crate::signal) step: Option<Box<DurationNode>>,
    pub(in crate::signal) offset: Option<Box<DurationNode>>,
}

/// A function with its arguments in the order written.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Call {
    pub(in crate::signal) function: &'static Function,
    pub(in crate::signal) args: Vec<Node>,
    /// Labels of the result of `absent` and `absent_over_time`.
    pub(in crate::signal) absent_labels: Labels,
    /// First byte of each argument in the text.
    pub(in crate::signal) arg_starts: Vec<usize>,
    /// First byte of the call.
    pub(in crate::signal) start: usize,
}

/// An aggregation operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile,
    Topk,
    Bottomk,
    Limitk,
    LimitRatio,
    CountValues,
}

impl AggregateOp {
    /// All supported aggregations.
    pub(in crate::signal) const ALL: [Self; 14] = [
        Self::Sum,
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Count,
        Self::Group,
        Self::Stddev,
        Self::Stdvar,
        Self::Quantile,
        Self::Topk,
        Self::Bottomk,
        Self::Limitk,
        Self::LimitRatio,
        Self::CountValues,
    ];

    /// Returns the kind of the parameter before the vector; `None` if it has none.
    pub(in crate::signal) fn param(self) -> Option<ValueKind> {
        match self {
            Self::Quantile | Self::Topk | Self::Bottomk | Self::Limitk | Self::LimitRatio => Some(ValueKind::Scalar),
            Self::CountValues => Some(ValueKind::String),
            _ => None,
        }
    }

    /// Returns the name as written in PromQL.
    pub(in crate::signal) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Quantile => "quantile",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
            Self::CountValues => "count_values",
        }
    }
}

/// The labels of `by` or `without`. An aggregation without either is `by ()`.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Grouping {
    pub(in crate::signal) names: Vec<String>,
    pub(in crate::signal) without: bool,
}

/// An aggregation.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Aggregate {
    pub(in crate::signal) op: AggregateOp,
    pub(in crate::signal) param: Option<Node>,
    pub(in crate::signal) inner: Node,
    pub(in crate::signal) grouping: Grouping,
    /// First byte of the parameter in the text; that of the vector if there is none.
    pub(in crate::signal) param_start: usize,
    /// First byte of the vector in the text.
    pub(in crate::signal) inner_start: usize,
    /// First byte of the aggregation in the text.
    pub(in crate::signal) start: usize,
}

/// A set operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum SetOp {
    And,
    Or,
    Unless,
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    /// `</` and `>/`: trim a native histogram. Floats have no result.
    TrimUpper,
    TrimLower,
    Compare(super::CompareOp),
    Set(SetOp),
}

impl BinaryOp {
    /// Returns the operator as written.
    pub(in crate::signal) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::Compare(compare) => compare.symbol(),
            Self::Set(SetOp::And) => "and",
            Self::Set(SetOp::Or) => "or",
            Self::Set(SetOp::Unless) => "unless",
        }
    }
}

/// The number of elements of each side that may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::signal) enum Cardinality {
    OneToOne,
    /// `group_left`, with the labels copied from the right side.
    ManyToOne(Vec<String>),
    /// `group_right`, with the labels copied from the left side.
    OneToMany(Vec<String>),
}

/// The labels by which elements match, and the cardinality of the match.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Matching {
    pub(in crate::signal) names: Vec<String>,
    /// True for `on`, false for `ignoring` or neither.
    pub(in crate::signal) on: bool,
    pub(in crate::signal) cardinality: Cardinality,
    /// Value of an element that is missing on the left side.
    pub(in crate::signal) fill_left: Option<f64>,
    /// Value of an element that is missing on the right side.
    pub(in crate::signal) fill_right: Option<f64>,
}

/// A binary operation.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Binary {
    pub(in crate::signal) op: BinaryOp,
    pub(in crate::signal) left: Node,
    pub(in crate::signal) right: Node,
    pub(in crate::signal) matching: Matching,
    pub(in crate::signal) return_bool: bool,
    /// First byte in the text.
    pub(in crate::signal) start: usize,
}
