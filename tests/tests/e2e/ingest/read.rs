//! Remote read in one message, with messages from the published definitions and independent of the encoder.

use prost::Message;

use super::proto::{Histogram, body};
use crate::harness::Server;

/// Matcher of equal values.
pub(crate) const EQUAL: i32 = 0;
/// Matcher of a pattern.
pub(crate) const PATTERN: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(message, repeated, tag = "1")]
    queries: Vec<Query>,
}

#[derive(Clone, PartialEq, Message)]
struct Query {
    #[prost(int64, tag = "1")]
    start: i64,
    #[prost(int64, tag = "2")]
    end: i64,
    #[prost(message, repeated, tag = "3")]
    matchers: Vec<Matcher>,
}

#[derive(Clone, PartialEq, Message)]
struct Matcher {
    #[prost(int32, tag = "1")]
    op: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    results: Vec<QueryResult>,
}

#[derive(Clone, PartialEq, Message)]
struct QueryResult {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Series {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
}

/// Reads the series of a span in epoch milliseconds whose name is a value or matches a pattern.
pub(crate) fn read(server: &Server, op: i32, name: &str, (start, end): (i64, i64)) -> Vec<Series> {
    let matcher = Matcher { op, name: "__name__".to_owned(), value: name.to_owned() };
    let asked = ReadRequest { queries: vec![Query { start, end, matchers: vec![matcher] }] };
    let sent = server.request("POST", "/api/v1/read").header("content-type", "application/x-protobuf");
    let answer = sent.body(body(&asked)).send().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-protobuf");
    assert_eq!(answer.headers()["content-encoding"], "snappy");
    let bytes = snap::raw::Decoder::new().decompress_vec(&answer.bytes().unwrap()).unwrap();
    ReadResponse::decode(bytes.as_slice()).unwrap().results.remove(0).series
}
