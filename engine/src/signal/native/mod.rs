//! Native histograms in PromQL. A cell of a frame or a sample of a window is a float, or the handle of a histogram in
//! the [`Arena`] of the evaluation: one particular kind of NaN, as the mark of a missing value is. Operations that only
//! move cells need not know of histograms; this folder has those that compute with them.

mod aggregate;
mod arena;
mod floats;
mod operators;
mod quantile;
mod rate;
mod samples;
mod shape;
mod sums;
mod trim;

pub(super) use aggregate::aggregated;
pub use arena::Arena;
pub(super) use arena::is_handle;
pub(super) use floats::{counted_changes, floats_of, floats_only, without_histograms};
pub(super) use operators::{Operands, negated};
pub(super) use quantile::{NanRemark, fraction, quantile};
pub(super) use rate::{RateOf, rate, smoothed};
pub(super) use samples::read;
pub(super) use shape::{Shape, shape};
pub(super) use sums::over_window;
