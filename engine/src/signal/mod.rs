//! PromQL over a source of samples: parses expressions and evaluates them at one time or over a range.
//!
//! `plan` parses text into operations and `select` reads samples. `functions`, `aggregate` and `binary` compute on
//! frames, which have a row for each set of labels and a column for each step. `eval` combines them. The semantics are
//! those of Prometheus 3: ranges and the look-back exclude their left end, and an operation that changes the meaning of
//! a value drops the metric name. Experimental constructs are named by the query, and the caller decides whether it accepts them.

mod aggregate;
mod arena;
mod binary;
mod error;
mod eval;
mod feature;
mod foreign;
mod frame;
mod functions;
mod limits;
mod native;
mod notes;
mod plan;
mod select;
mod summation;
mod time;
mod value;
mod window;

#[cfg(test)]
mod tests;

pub use arena::Arena;
pub use error::SignalError;
pub use eval::{instant, range, range_dense};
pub use feature::Feature;
pub(crate) use foreign::tree;
pub use limits::{Cancel, EvalLimits};
pub use notes::{Counts, Note, NoteKind, Notes, SampleCounts};
pub use plan::{CompareOp, Comparison, LAST_OF_STEP, Query, Tree, TreeValue, parse};
pub use value::{DenseRow, DenseSeries, RangeSeries, Value, ValueKind, VectorSample};
