//! Ingest of OTLP: metrics become series, spans become RED metrics and statements of requests, log records become counts by template.
//!
//! ```text
//! bytes ─► decode ─► metrics / traces / logs ─► rows ─► receive ─► store
//! ```
//!
//! Names follow Prometheus' translation with its default strategy (underscores and suffixes). Specification:
//! <https://opentelemetry.io/docs/specs/otlp/> and
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

mod counts;
mod decode;
mod error;
mod logs;
mod metrics;
mod receive;
mod report;
mod rows;
mod settings;
mod traces;
mod translate;

#[cfg(test)]
mod tests;

pub use decode::{Encoding, Signal, memory_needed};
pub use error::OtlpError;
pub use receive::{Otlp, PendingExport};
pub use report::ExportSummary;
pub use settings::OtlpSettings;
