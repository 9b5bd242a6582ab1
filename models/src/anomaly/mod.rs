//! Anomaly scores within a series: above 1 is an anomaly.

mod bank;
mod budget;
mod channel;
mod core;
mod drift;
mod histogram;
mod offline;
mod online;
mod profile;
mod recent;
mod scored;
mod tail;
mod told;

pub use offline::detect_offline;
pub use online::{DetectorOptions, OnlineDetector};
pub use scored::{Kind, Scored};
