//! Scores of values as they come: each depends on what came before it alone.

mod bank;
mod budget;
mod calm;
mod channel;
mod core;
mod drift;
mod histogram;
mod online;
mod profile;
mod recent;
mod record;
mod tail;
mod told;

pub use online::{DetectorOptions, OnlineDetector};

use super::{Kind, Scored};
