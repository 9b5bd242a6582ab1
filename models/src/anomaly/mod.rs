//! Anomaly scores within a series: above 1 is an anomaly.

mod causal;
mod counts;
mod offline;
mod recurrence;
mod scored;

pub use causal::{DetectorOptions, OnlineDetector};
pub use offline::{detect_offline, detect_offline_by_clocks};
pub use scored::{Kind, Scored};
