//! What bounds could be: a constant one that keeps every incident, one by hour of week, a band around what is expected, the tail of
//! the signal where nobody labelled, the burn rates of an objective; and the choice of the simplest that wins.

mod band;
mod burn_rate;
mod decide;
mod hourly;
mod learn;
mod range;
mod tail;
mod verdict;
mod views;

pub(super) use band::Band;
pub(super) use burn_rate::Objective;
pub use decide::Alternative;
pub(super) use decide::{Allowed, Decision, Judged, Moving, judge};
pub(super) use hourly::HourlyBounds;
pub use tail::PeakTail;
pub(super) use verdict::confidence;
