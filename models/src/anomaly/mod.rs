//! Anomaly scores within a series: above 1 is an anomaly.

mod channel;
mod drift;
mod offline;
mod online;
mod scored;
mod tail;

pub use offline::detect_offline;
pub use online::{DetectorOptions, OnlineDetector};
pub use scored::Scored;
