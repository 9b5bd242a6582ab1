//! What happens to a history before a model sees it: checks, gaps, shifts of level, the scale on which it is modelled.

mod gaps;
mod median;
mod shifts;
mod support;

pub(crate) use gaps::{Space, check, fill_gaps};
pub(super) use median::running_median;
pub(super) use shifts::{Alignment, Lengths, alignment};
pub(crate) use support::Support;
