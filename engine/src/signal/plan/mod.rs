//! Parses text into a plan: a tree of operations with resolved names and durations in milliseconds. Reads no samples.

mod comparison;
mod node;
mod query;
mod syntax;

pub use comparison::{CompareOp, Comparison};
pub(super) use node::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Grouping, Matching, Node, RangeSelector, Selector,
    SetOp, Subquery,
};
pub use query::{Query, parse};
