//! Samples and events come in: remote write, Prometheus text and OpenMetrics, files, scrapes.
//!
//! Decoders are pure: bytes in, series and samples out.

pub mod files;
pub mod remote_write;

mod cache;
mod intake;
mod labels;
mod limits;
mod stamp;

pub use intake::{Ingest, PendingWrite, ResolveError, WriteError};
pub use limits::{IngestCounts, IngestLimits, Reason, Refusal, WriteSummary};
pub use stamp::TIMESTAMP_LIMIT_MS;
