//! Recurring jobs: departures of a few steps that recur at the same time of every hour, day or week.

mod find;
mod job;

pub(super) use find::find;
pub(super) use job::{Cycle, Jobs};
