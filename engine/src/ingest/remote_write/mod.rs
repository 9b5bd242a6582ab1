//! Prometheus remote write 1.0 and 2.0: bytes → series entries and samples, without copying labels.
//!
//! Specifications: <https://prometheus.io/docs/specs/prw/remote_write_spec/> and
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>. The protobuf wire format is walked
//! by hand: a generated decoder allocates two strings for each label, ten times a sample.

mod encode;
mod error;
mod request;
mod v1;
mod v2;
mod version;
mod wire;

#[cfg(test)]
mod tests;

pub use encode::{encode_v1, encode_v2};
pub use error::WireError;
pub use request::{Entry, Request};
pub use version::Version;
