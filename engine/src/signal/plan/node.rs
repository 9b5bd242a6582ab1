//! The nodes of a plan: the operations of an expression.

use std::sync::Arc;

use crate::{
    series::{Labels, Matcher},
    signal::{ValueKind, functions::Function, time::TimeShift},
};

/// One operation of an expression. Parentheses are resolved; constants are not folded.
#[derive(Debug, Clone)]
pub(in crate::signal) enum Node {
    Number(f64),
    String(String),
    Select(Selector),
    Range(RangeSelector),
    Subquery(Subquery),
    Negate(Box<Node>),
    Call(Call),
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
}

impl Node {
    /// Returns the kind of the result.
    pub(in crate::signal) fn kind(&self) -> ValueKind {
        match self {
            Self::Number(_) => ValueKind::Scalar,
            Self::String(_) => ValueKind::String,
            Self::Select(_) | Self::Aggregate(_) => ValueKind::Vector,
            Self::Range(_) | Self::Subquery(_) => ValueKind::Matrix,
            Self::Negate(inner) => inner.kind(),
            Self::Call(call) => call.function.kind(),
            Self::Binary(binary) => match (binary.left.kind(), binary.right.kind()) {
                (ValueKind::Scalar, ValueKind::Scalar) => ValueKind::Scalar,
                _ => ValueKind::Vector,
            },
        }
    }

    /// Returns the operands.
    pub(in crate::signal) fn children(&self) -> Vec<&Node> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Select(_) | Self::Range(_) => Vec::new(),
            Self::Subquery(subquery) => vec![&subquery.inner],
            Self::Negate(inner) => vec![inner],
            Self::Call(call) => call.args.iter().collect(),
            Self::Aggregate(aggregate) => {
                let mut children = vec![&aggregate.inner];
                children.extend(&aggregate.param);
                children
            }
            Self::Binary(binary) => vec![&binary.left, &binary.right],
        }
    }
}

/// An instant vector selector.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Selector {
    /// Number of the selector within its query, from 0.
    pub(in crate::signal) slot: usize,
    pub(in crate::signal) matchers: Arc<[Matcher]>,
    pub(in crate::signal) shift: TimeShift,
}

/// A range vector selector.
#[derive(Debug, Clone)]
pub(in crate::signal) struct RangeSelector {
    pub(in crate::signal) selector: Selector,
    pub(in crate::signal) range_ms: i64,
}

/// An expression evaluated on its own steps over a range.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Subquery {
    pub(in crate::signal) inner: Box<Node>,
    pub(in crate::signal) range_ms: i64,
    /// `None`: the default step of the limits.
    pub(in crate::signal) step_ms: Option<i64>,
    pub(in crate::signal) shift: TimeShift,
}

/// A function with its arguments in the order written.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Call {
    pub(in crate::signal) function: &'static Function,
    pub(in crate::signal) args: Vec<Node>,
    /// Labels of the result of `absent` and `absent_over_time`.
    pub(in crate::signal) absent_labels: Labels,
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
    CountValues,
}

impl AggregateOp {
    /// All supported aggregations.
    pub(in crate::signal) const ALL: [Self; 13] = [
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
        Self::CountValues,
    ];

    /// Returns the kind of the parameter before the vector; `None` if it has none.
    pub(in crate::signal) fn param(self) -> Option<ValueKind> {
        match self {
            Self::Quantile | Self::Topk | Self::Bottomk | Self::Limitk => Some(ValueKind::Scalar),
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
    Compare(super::CompareOp),
    Set(SetOp),
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
}

/// A binary operation.
#[derive(Debug, Clone)]
pub(in crate::signal) struct Binary {
    pub(in crate::signal) op: BinaryOp,
    pub(in crate::signal) left: Node,
    pub(in crate::signal) right: Node,
    pub(in crate::signal) matching: Matching,
    pub(in crate::signal) return_bool: bool,
}
