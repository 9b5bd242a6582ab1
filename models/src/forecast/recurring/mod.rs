//! Recurring jobs: departures of a few steps that return at the same time of every hour, day or week.

mod find;
mod job;

pub(super) use find::{Cycle, find};
pub(super) use job::Jobs;
