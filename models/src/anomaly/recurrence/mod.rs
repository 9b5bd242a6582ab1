//! Departures that recur at the same time of the day: backups, rotations, imports.

mod departures;
mod phase;

pub(super) use departures::{Expectation, RecurringDepartures};
