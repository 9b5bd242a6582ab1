//! The protobuf format of pages: messages `io.prometheus.client.MetricFamily`.
//!
//! It is the only format with native histograms. Every series becomes the text of the text format, so that it is looked
//! up and labelled as there.

mod decode;
mod exemplar;
mod page;

#[cfg(test)]
mod tests;

pub(super) use decode::decode;
pub(super) use page::{CONTENT_TYPE, PageLimits, ProtobufError, ProtobufSample, is_protobuf};
