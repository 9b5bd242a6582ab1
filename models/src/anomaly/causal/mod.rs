//! Scores of values as they come: each depends on what came before it alone.

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

pub use online::{DetectorOptions, OnlineDetector};

use super::counts::CountDeficit;
use super::recurrence::{Expectation, RecurringDepartures};
use super::{Kind, Scored};
