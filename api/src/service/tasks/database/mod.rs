//! Reads watched databases: one task for each, which connects, takes snapshots at its interval, and stores what they
//! show.

mod run;
mod store;
mod tail;

pub(super) use run::start;
