//! Samples and events come in: remote write, Prometheus text and OpenMetrics, files, scrapes.
//!
//! Decoders are pure: bytes in, series and samples out.

pub mod files;
pub mod import;
pub mod remote_write;
pub mod scrape;
pub mod text;

mod cache;
mod events;
mod intake;
mod labels;
mod limits;
mod metadata;
mod number;
mod stamp;

pub use events::{EventError, parse_events};
pub use intake::{Ingest, PendingWrite, ResolveError, WriteError};
pub use limits::{IngestCounts, IngestLimits, Reason, Refusal, WriteSummary};
pub use stamp::TIMESTAMP_LIMIT_MS;
