//! Parses text into a plan: a tree of operations with resolved names and durations in milliseconds. Reads no samples.

mod coarse;
mod comparison;
mod duration;
mod node;
mod query;
mod syntax;
mod text;
mod tree;

pub use coarse::LAST_OF_STEP;
pub use comparison::{CompareOp, Comparison};
use duration::LONGEST_MS;
pub(super) use duration::{DurationNode, DurationOp, QuerySpan};
pub(super) use node::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Grouping, Matching, Node, RangeSelector, Selector,
    SetOp, Subquery,
};
pub use query::{Query, parse};
pub use tree::{Tree, TreeValue};
