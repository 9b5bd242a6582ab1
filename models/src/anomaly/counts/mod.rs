//! Counts of events: what a series of them has where the values just before say little.

mod deficit;
mod rate;

pub(super) use deficit::CountDeficit;
