//! Evaluates plans: `queries` are the entry points, `evaluator` computes nodes on a grid of steps, `info` adds the labels
//! of info series.

mod evaluator;
mod info;
mod queries;

pub use queries::{instant, range, range_dense};
