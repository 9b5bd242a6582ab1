//! Native histograms in PromQL. A cell of a frame or a sample of a window is a float, or the handle of a histogram in
//! the [`Arena`] of the evaluation: one particular kind of NaN, as the mark of a missing value is. Operations that only
//! move cells need not know of histograms; this folder has those that compute with them.

mod aggregate;
mod floats;
mod quantile;
mod rate;
mod samples;
mod shape;
mod sums;
mod trim;

pub(super) use aggregate::aggregated;
pub(super) use floats::{counted_changes, floats_of, floats_only, without_histograms};
pub(super) use quantile::{NanRemark, fraction, quantile};
pub(super) use rate::{RateOf, rate, smoothed};
pub(super) use samples::{Read, read};
pub(super) use shape::{Shape, shape};
pub(super) use sums::{RECONCILED, over_window};
pub(super) use trim::trimmed;
