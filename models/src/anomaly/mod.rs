//! Anomaly scores within a series: above 1 is an anomaly.

mod channel;
mod drift;
mod online;
mod scored;
mod tail;

pub use online::{DetectorOptions, OnlineDetector, detect_offline};
pub use scored::Scored;
