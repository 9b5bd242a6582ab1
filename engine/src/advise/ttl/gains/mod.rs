//! Gains of other means than a time-to-live: invalidation on write, early refresh, and times-to-live by hour of the
//! day. Each is learned on the first part of the events and replayed on the second.

mod gain;
mod hours;
mod invalidate;
mod refresh;

pub use gain::Gains;
pub use hours::{DaySchedule, PartOfDay};
pub use invalidate::Invalidation;
pub use refresh::EarlyRefresh;

pub(super) use hours::schedule;

#[cfg(test)]
mod tests;
