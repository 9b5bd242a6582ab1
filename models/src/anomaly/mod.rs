//! Anomaly scores within a series: above 1 is an anomaly.

mod causal;
mod offline;
mod scored;

pub use causal::{DetectorOptions, OnlineDetector};
pub use offline::detect_offline;
pub use scored::{Kind, Scored};
