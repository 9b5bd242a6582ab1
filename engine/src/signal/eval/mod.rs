//! Evaluates plans: `queries` are the entry points, `evaluator` computes nodes on a grid of steps, `parts` some of the series
//! at a time, `info` adds the labels of info series.

mod evaluator;
mod info;
mod parts;
mod queries;

pub use queries::{instant, range, range_dense};
