//! The messages of remote read, and the frames of its streamed answer.
//!
//! Source of the field numbers: `prompb/remote.proto` and `prompb/types.proto` of Prometheus 3.14.

use almanac_engine::{
    histogram::{Histogram, to_spans},
    series::{Labels, MatchOp, Matcher},
};
use prost::Message;

/// Answer with all samples in one message.
pub(super) const SAMPLES: i32 = 0;
/// Answer as a stream of chunks.
pub(super) const STREAMED_XOR_CHUNKS: i32 = 1;
/// Encoding of a chunk: XOR.
pub(super) const XOR: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) queries: Vec<Query>,
    #[prost(int32, repeated, tag = "2")]
    pub(super) accepted_response_types: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Query {
    #[prost(int64, tag = "1")]
    pub(super) start_timestamp_ms: i64,
    #[prost(int64, tag = "2")]
    pub(super) end_timestamp_ms: i64,
    #[prost(message, repeated, tag = "3")]
    pub(super) matchers: Vec<LabelMatcher>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LabelMatcher {
    #[prost(int32, tag = "1")]
    pub(super) op: i32,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) results: Vec<QueryResult>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct QueryResult {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<HistogramMessage>,
}

/// A native histogram with float counts.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HistogramMessage {
    #[prost(double, tag = "2")]
    pub(super) count_float: f64,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(double, tag = "7")]
    pub(super) zero_count_float: f64,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<SpanMessage>,
    #[prost(double, repeated, tag = "10")]
    pub(super) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<SpanMessage>,
    #[prost(double, repeated, tag = "13")]
    pub(super) positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(super) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct SpanMessage {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

/// Returns a native histogram as a message.
pub(super) fn histogram(timestamp: i64, histogram: &Histogram) -> HistogramMessage {
    let side = |buckets| {
        let (spans, counts) = to_spans(buckets);
        let spans = spans.into_iter().map(|span| SpanMessage { offset: span.offset, length: span.length });
        (spans.collect(), counts)
    };
    let (positive_spans, positive_counts) = side(&histogram.positive);
    let (negative_spans, negative_counts) = side(&histogram.negative);
    HistogramMessage {
        count_float: histogram.count,
        sum: histogram.sum,
        schema: histogram.schema.into(),
        zero_threshold: histogram.zero_threshold,
        zero_count_float: histogram.zero_count,
        negative_spans,
        negative_counts,
        positive_spans,
        positive_counts,
        reset_hint: histogram.hint.number().into(),
        timestamp,
        custom_values: histogram.custom.to_vec(),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ChunkedReadResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) chunked_series: Vec<ChunkedSeries>,
    #[prost(int64, tag = "2")]
    pub(super) query_index: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ChunkedSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) chunks: Vec<Chunk>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Chunk {
    #[prost(int64, tag = "1")]
    pub(super) min_time_ms: i64,
    #[prost(int64, tag = "2")]
    pub(super) max_time_ms: i64,
    #[prost(int32, tag = "3")]
    pub(super) encoding: i32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) data: Vec<u8>,
}

/// Returns the labels of a series in their order.
pub(super) fn labels(labels: &Labels) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).collect()
}

/// Compiles the matchers of a query.
///
/// # Errors
/// A description of an unknown operator or an invalid pattern.
pub(super) fn matchers(query: &Query) -> Result<Vec<Matcher>, String> {
    let compiled = |matcher: &LabelMatcher| {
        let op = match matcher.op {
            0 => MatchOp::Equal,
            1 => MatchOp::NotEqual,
            2 => MatchOp::Regex,
            3 => MatchOp::NotRegex,
            other => return Err(format!("{other} is no operator of a matcher; known are 0 to 3")),
        };
        Matcher::new(&matcher.name, op, &matcher.value)
            .map_err(|error| format!("the matcher of {:?} is invalid: {}", matcher.name, crate::chain(&error)))
    };
    query.matchers.iter().map(compiled).collect()
}

/// Returns a message as a frame of a stream: its length, its CRC-32C, its bytes.
pub(super) fn frame(message: &ChunkedReadResponse) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let mut out = Vec::with_capacity(bytes.len() + 14);
    // Encoding into a `Vec` grows it as needed.
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(&crc32c(&bytes).to_be_bytes());
    out.extend_from_slice(&bytes);
    out
}

/// Remainders of the Castagnoli polynomial, reflected, for each byte.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let (mut byte, mut start) = (0, 0_u32);
    while byte < 256 {
        let (mut remainder, mut bit) = (start, 0);
        while bit < 8 {
            remainder = if remainder & 1 == 1 { (remainder >> 1) ^ 0x82f6_3b78 } else { remainder >> 1 };
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
        start += 1;
    }
    table
};

/// Returns the CRC-32C of some bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| (crc >> 8) ^ CRC_TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)];
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn wrong_matchers_are_refused() {
        let query = |op: i32, value: &str| Query {
            matchers: vec![LabelMatcher { op, name: "job".to_owned(), value: value.to_owned() }],
            ..Query::default()
        };
        assert!(matchers(&query(0, "(")).is_ok());
        assert!(matchers(&query(2, "(")).unwrap_err().contains("\"job\""));
        assert!(matchers(&query(7, "a")).unwrap_err().contains('7'));
    }
}
