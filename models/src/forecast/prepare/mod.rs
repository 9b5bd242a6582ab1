//! Preparation of a history before a fit: validity checks, gaps, level shifts, and the transform it is modelled under.

mod gaps;
mod median;
mod scale;
mod shifts;
mod support;
mod transform;

pub(crate) use gaps::{check, fill_gaps};
pub(super) use median::Ranked;
pub(crate) use scale::naive_scale;
pub(super) use shifts::{Alignment, Lengths, alignment};
pub(crate) use support::Support;
pub(crate) use transform::Transform;
