//! Samples and events come in: remote write, Prometheus text and OpenMetrics, files, scrapes.
//!
//! Decoders are pure: bytes in, series and samples out.

pub mod files;
pub mod remote_write;

mod stamp;

pub use stamp::TIMESTAMP_LIMIT_MS;
