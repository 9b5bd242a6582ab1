//! Native histograms: a sample with a count, a sum and buckets whose bounds follow from a schema, as in Prometheus.
//!
//! Buckets are kept by index, without empty ones, so that all operations are merges of two ordered lists. Counts are
//! floats: integer histograms are exact up to 2^53 observations.

mod arithmetic;
mod bounds;
mod bucket;
mod check;
mod resets;
mod spans;
mod types;
mod zero;

#[cfg(test)]
mod tests;

pub use arithmetic::{Combined, IncompatibleSchemas};
pub use bounds::bound;
pub use bucket::Bucket;
pub use check::{HistogramError, MAX_BUCKETS};
pub use spans::{Span, from_spans, to_spans};
pub use types::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint, SCHEMAS};
