//! Ingest of samples and events: remote write, OTLP, Prometheus text and OpenMetrics, files, scrapes.
//!
//! Decoders are pure functions of bytes. [`Ingest`] checks labels and timestamps and appends to the store.

pub mod database;
pub mod files;
pub mod import;
pub mod otlp;
pub mod remote_write;
pub mod scrape;
pub mod text;

mod cache;
mod error;
mod events;
mod exemplars;
mod intake;
mod labels;
mod limits;
mod metadata;
mod native;
mod number;
mod refuse;
mod timestamp;

#[cfg(test)]
mod tests;

pub use error::{ResolveError, WriteError};
pub use events::{EventError, parse_events};
pub use exemplars::{EXEMPLAR_LABEL_CHARS, Exemplar, ExemplarError, Exemplars};
pub use intake::{DecodedWrite, Ingest, PendingWrite};
pub use limits::{IngestCounts, IngestLimits, Reason, Refusal, WriteSummary};
pub use timestamp::TIMESTAMP_LIMIT_MS;
