//! Kinds of bounds and the choice between them: a constant, one by hour of week, a band around the expected value, the
//! burn rates of an objective, and a tail model for rules without labelled incidents. The simplest kind that wins is
//! chosen.

mod band;
mod burn_rate;
mod decide;
mod hourly;
mod learn;
mod levels;
mod range;
mod tail;
mod transformed;
mod verdict;

pub(super) use band::Band;
pub(super) use burn_rate::Objective;
pub use decide::Alternative;
pub(super) use decide::{AllowedBounds, Decision, MovingBound, ScoredDecision, decide_and_score};
pub(super) use hourly::HourlyBounds;
pub use tail::PeakTail;
pub(super) use verdict::confidence;
