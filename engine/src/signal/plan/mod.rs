//! From text to a plan: operations with units in milliseconds and names resolved, before any sample is read.

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
