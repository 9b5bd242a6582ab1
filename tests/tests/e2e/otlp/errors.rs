//! Wrong and hostile exports over HTTP: the errors are in the request's encoding and say what is wrong.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use prost::Message;
use serde_json::json;
use tempfile::tempdir;

use super::{now_nanos, one_metric};
use crate::harness::Server;

/// `google.rpc.Status` as a client reads it.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn malformed_exports_are_refused_in_their_own_encoding() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for path in ["/v1/metrics", "/v1/traces", "/v1/logs"] {
        let reply = server.post(path, "application/x-protobuf", vec![0x0a, 0xff, 0x01]);
        assert_eq!((reply.status, reply.header("content-type")), (400, Some("application/x-protobuf")));
        let status = RpcStatus::decode(&reply.body[..]).unwrap();
        assert!(status.code == 3 && status.message.starts_with("the body is not a protobuf Export"), "{status:?}");
        let reply = server.post(
            path,
            "application/json",
            "{\"resourceMetrics\": 5, \"resourceSpans\": 5, \"resourceLogs\": 5}",
        );
        assert_eq!((reply.status, reply.header("content-type")), (400, Some("application/json")));
        let status = reply.json();
        assert!(status["code"] == 3 && status["message"].as_str().unwrap().contains("at line 1 column"), "{status}");
        let reply = server.post(path, "text/csv", "a,b");
        assert_eq!(reply.status, 415, "{}", reply.text());
        assert!(reply.json()["message"].as_str().unwrap().contains("application/x-protobuf or application/json"));
        // Nothing to store is no error.
        assert_eq!(server.post(path, "application/x-protobuf", Vec::new()).status, 200);
        assert_eq!(server.post(path, "application/json", "{}").json(), json!({}));
    }
    let encoded = |encoding: &str, body: Vec<u8>| {
        let request = server.request("POST", "/v1/metrics").header("content-type", "application/json");
        server.send(request.header("content-encoding", encoding).body(body))
    };
    let reply = encoded("gzip", b"{}".to_vec());
    assert!(reply.status == 400 && reply.text().contains("the body is not gzip"), "{}", reply.text());
    let reply = encoded("br", b"{}".to_vec());
    assert!(reply.status == 415 && reply.text().contains("use gzip or none"), "{}", reply.text());
    assert_eq!(encoded("gzip", gzip(b"{}")).json(), json!({}));
}

#[test]
fn what_grows_in_memory_is_refused_before_it_does() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let json = |encoding: Option<&str>, body: Vec<u8>| {
        let request = server.request("POST", "/v1/metrics").header("content-type", "application/json");
        let request = encoding.into_iter().fold(request, |request, name| request.header("content-encoding", name));
        server.send(request.body(body))
    };
    // 64 MiB of spaces in 64 KiB of gzip.
    let reply = json(Some("gzip"), gzip(&vec![b' '; 64 << 20]));
    assert!(reply.status == 413 && reply.text().contains("ingest.max_decoded"), "{}", reply.text());
    // Two million empty objects.
    let objects = format!("{{\"resourceMetrics\":[{}{{}}]}}", "{},".repeat(2_000_000));
    let reply = json(None, objects.into_bytes());
    assert!(reply.status == 413 && reply.text().contains("send smaller batches"), "{}", reply.text());
    // The same as protobuf: resources of two bytes each.
    let reply = server.post("/v1/metrics", "application/x-protobuf", [0x0a, 0x00].repeat(4 << 20));
    assert_eq!(reply.status, 413);
    // One histogram whose labels are repeated for every bucket.
    let bounds: Vec<f64> = (0..100_000).map(f64::from).collect();
    let point = json!({"timeUnixNano": now_nanos().to_string(), "count": "0", "explicitBounds": bounds,
        "bucketCounts": vec!["0"; bounds.len() + 1],
        "attributes": [{"key": "a", "value": {"stringValue": "x".repeat(10_000)}}]});
    let metric = json!({"name": "wide", "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}});
    let reply = server.post_json("/v1/metrics", &one_metric(&metric));
    assert!(reply.status == 413 && reply.text().contains("labels"), "{} {}", reply.status, reply.text());
    // Values nested deeper than any decoder follows.
    let deep = format!("{}{}", "[{\"arrayValue\":{\"values\":".repeat(200), "]}}".repeat(200));
    assert_eq!(json(None, format!("{{\"resourceMetrics\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"a\",\"value\":{{\"arrayValue\":{{\"values\":{deep}}}}}}}]}}}}]}}").into_bytes()).status, 400);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_token_needs_the_scope_ingest() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--token", "secret"]);
    let reply = server.post("/v1/metrics", "application/x-protobuf", Vec::new());
    assert_eq!((reply.status, reply.header("content-type")), (401, Some("application/x-protobuf")));
    let status = RpcStatus::decode(&reply.body[..]).unwrap();
    assert!(status.code == 16 && status.message.contains("requires a token"), "{status:?}");
    let server = server.with_token("secret");
    assert_eq!(server.post("/v1/metrics", "application/x-protobuf", Vec::new()).status, 200);
}
