//! Scores values in the order of their arrival; a score depends on earlier values only.
//!
//! `online` is the public detector and schedules refits. `core` combines two channels (`channel`), drifts (`drift`),
//! flat lines (`recent`), drops of variance and records. Bounds come from `tail` over `histogram`, raised by `budget`.

mod bank;
mod budget;
mod channel;
mod core;
mod deduplicator;
mod drift;
mod histogram;
mod online;
mod profile;
mod recent;
mod record;
mod tail;
mod variance_drop;

#[cfg(test)]
mod tests;

pub use online::{DetectorOptions, OnlineDetector};

use super::counts::CountDeficit;
use super::recurrence::{Expectation, RecurringDepartures};
use super::{Kind, Scored};
