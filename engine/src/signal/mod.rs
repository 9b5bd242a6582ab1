//! PromQL over a sample source: parse, evaluate at one time or over a range.
//!
//! `plan` turns text into operations, `select` reads samples, `functions`, `aggregate` and `binary`
//! compute on frames (rows of labels, a column per step), `eval` ties them together. The semantics
//! are those of Prometheus 3: ranges and the look-back are open on the left, names are dropped as
//! soon as a value changes its meaning. What is not supported is refused by name when it is parsed.

mod aggregate;
mod binary;
mod error;
mod eval;
mod frame;
mod functions;
mod limits;
mod plan;
mod select;
mod value;

#[cfg(test)]
mod tests;

pub use error::SignalError;
pub use eval::{instant, range, range_dense};
pub use limits::{Cancel, EvalLimits};
pub use plan::{CompareOp, Comparison, Query, parse};
pub use value::{DenseRow, DenseSeries, RangeSeries, Value, ValueKind, VectorSample};
