//! Decision on a pool, its text, its pictures, and the measurement of what was applied.

mod choose;
mod decide;
mod describe;
mod measure;
mod pictures;
mod proposal;
mod timeouts;

pub(super) use choose::Study;
pub(super) use decide::{MIN_CONFIDENCE, Refusal, decide};
pub(super) use measure::measure;
pub(super) use pictures::pictures;
