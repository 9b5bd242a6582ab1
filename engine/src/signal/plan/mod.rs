//! From text to a plan: what PromQL means, with units in milliseconds and names resolved, before any sample is read.

mod comparison;
mod function;
mod guard;
mod lower;
mod node;
mod query;

pub use comparison::{CompareOp, Comparison};
pub(super) use function::{Calendar, Function, Math, OverTime, RateKind};
pub(super) use node::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, Grouping, Matching, Node, RangeSelector, Selector,
    SetOp, Subquery, TimeShift,
};
pub use query::{Query, parse};
