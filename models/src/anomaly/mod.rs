//! Anomaly scores within one series; above 1 is an anomaly.
//!
//! `causal` scores values in the order of their arrival, `offline` a whole series at once. `counts` (outages) and
//! `recurrence` (departures at the same time of day) are parts of the causal detector.

mod causal;
mod counts;
mod offline;
mod recurrence;
mod scored;

pub use causal::{DetectorOptions, OnlineDetector};
pub use offline::{detect_offline, detect_offline_by_clocks};
pub use scored::{Kind, Scored};
