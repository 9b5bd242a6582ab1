//! Departures that recur at the same time of the day, such as backups, log rotations and imports. The causal detector
//! uses them to accept a departure that is usual at its time, and to call one that is absent.

mod departures;
mod phase;

pub(super) use departures::{Expectation, RecurringDepartures};
