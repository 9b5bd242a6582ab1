//! Anomaly scores within a series: above 1 is an anomaly.

mod online;

pub use online::{DetectorOptions, OnlineDetector, Scored, detect_offline};
