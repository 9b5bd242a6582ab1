//! Counters of a watched database at one time, and the differences between two such times.
//!
//! Everything is pure. `Snapshot` holds what the statements of [`read`](super::read) answered; `difference` gives what
//! happened in between as a workload, and recognises resets, evictions and restarts, so that no increase is negative or
//! counts what happened before.

mod counters;
mod difference;
mod parse;

pub use counters::{Activity, IndexCounters, Snapshot, StatementCounters};
pub use difference::{Difference, Event, OTHER, difference};

#[cfg(test)]
mod tests;
