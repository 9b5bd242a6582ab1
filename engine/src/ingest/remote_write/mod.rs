//! Decoder of Prometheus remote write 1.0 and 2.0: bytes to series entries and samples, without copying labels.
//!
//! ```text
//! body ─► snappy ─► wire (fields) ─► v1 or v2 ─► entries, timestamps, values, metadata
//! ```
//!
//! Specifications: <https://prometheus.io/docs/specs/prw/remote_write_spec/> and
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>. The protobuf wire format is decoded by hand, because
//! a generated decoder allocates two strings per label, with about ten labels per sample.

mod contents;
mod encode;
mod error;
pub(in crate::ingest) mod histogram;
mod request;
mod v1;
mod v2;
mod version;
pub(in crate::ingest) mod wire;

#[cfg(test)]
mod tests;

pub use contents::Entry;
pub use encode::{encode_v1, encode_v2};
pub use error::WireError;
pub use request::Request;
pub use version::Version;
