//! Remote write 1.0 and 2.0 from the wire to the store.

use serde_json::json;
use tempfile::tempdir;

use super::{
    proto::{
        ExemplarV2, Histogram, Label, MetadataV2, MetricMetadata, Request, SampleV2, TimeSeries, TimeSeriesV2,
        WriteRequest, body, request, series,
    },
    samples,
};
use crate::harness::{Reply, Server};

pub(super) const V1: &str = "application/x-protobuf";
pub(super) const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

pub(super) fn write(server: &Server, content_type: &str, body: Vec<u8>) -> Reply {
    let request = server.request("POST", "/api/v1/write").header("content-type", content_type);
    server.send(request.header("content-encoding", "snappy").body(body))
}

fn up(samples: &[(i64, f64)]) -> TimeSeries {
    series(&[("__name__", "up"), ("job", "api")], samples)
}

#[test]
fn a_request_of_either_version_is_stored_and_a_repeated_one_changes_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let first = request(vec![up(&[(1000, 1.0), (2000, 2.5)]), series(&[("__name__", "down")], &[(0, -1.0)])]);
    let second = Request {
        symbols: ["", "__name__", "up", "job", "api", "help"].map(str::to_owned).to_vec(),
        timeseries: vec![TimeSeriesV2 {
            labels_refs: vec![1, 2, 3, 4],
            samples: vec![SampleV2 { value: 3.0, timestamp: 3000, start_timestamp: 500 }],
            exemplars: vec![ExemplarV2 { labels_refs: vec![3, 4], value: 1.0, timestamp: 1 }],
            metadata: Some(MetadataV2 { kind: 1, help_ref: 5 }),
            ..TimeSeriesV2::default()
        }],
    };
    for _ in 0..2 {
        let reply = write(&server, V1, first.clone());
        assert_eq!((reply.status, reply.body.len()), (204, 0));
        assert_eq!(reply.header("x-prometheus-remote-write-samples-written"), None);
        let reply = write(&server, V2, body(&second));
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("x-prometheus-remote-write-samples-written"), Some("1"));
        assert_eq!(reply.header("x-prometheus-remote-write-histograms-written"), Some("0"));
        assert_eq!(reply.header("x-prometheus-remote-write-exemplars-written"), Some("1"));
        let expected = json!([
            ["down", 0, -1.0],
            ["up{job=\"api\"}", 1000, 1.0],
            ["up{job=\"api\"}", 2000, 2.5],
            ["up{job=\"api\"}", 3000, 3.0]
        ]);
        assert_eq!(samples(&server), expected);
    }
}

#[test]
fn late_samples_are_taken_and_the_last_write_wins() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for sample in [(5000, 5.0), (1000, 1.0), (3000, 3.0), (1000, 1.5), (5000, 5.5), (-7, 7.0)] {
        assert_eq!(write(&server, V1, request(vec![up(&[sample])])).status, 204);
    }
    let name = "up{job=\"api\"}";
    let expected = json!([[name, -7, 7.0], [name, 1000, 1.5], [name, 3000, 3.0], [name, 5000, 5.5]]);
    assert_eq!(samples(&server), expected);
}

#[test]
fn what_is_acknowledged_outlives_sigterm() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(write(&server, V1, request(vec![up(&[(1000, 1.0)])])).status, 204);
    assert!(server.stop().success());
    let server = Server::start(folder.path());
    assert_eq!(samples(&server), json!([["up{job=\"api\"}", 1000, 1.0]]));
}

/// Metadata alone, and series without samples, as Prometheus sends them.
#[test]
fn requests_without_samples_are_fine() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let metadata = MetricMetadata { kind: 1, metric_family_name: "up".to_owned(), ..MetricMetadata::default() };
    let request = WriteRequest { timeseries: vec![up(&[])], metadata: vec![metadata] };
    assert_eq!(write(&server, V1, body(&request)).status, 204);
    assert_eq!(write(&server, V1, body(&WriteRequest::default())).status, 204);
    assert_eq!(write(&server, V2, body(&Request::default())).status, 204);
    assert_eq!(samples(&server), json!([]));
}

/// Each request has one invalid and one valid sample; the valid ones are stored, the invalid ones are reported.
#[test]
fn invalid_samples_are_refused_with_reason_and_the_others_are_stored() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let label = |name: &[u8], value: &[u8]| Label { name: name.to_vec(), value: value.to_vec() };
    let with = |labels: Vec<Label>| TimeSeries { labels, ..series(&[], &[(1, 1.0)]) };
    let many: Vec<Label> = std::iter::once(label(b"__name__", b"up"))
        .chain((0..64).map(|idx| label(format!("l{idx:02}").as_bytes(), b"x")))
        .collect();
    let long = "x".repeat(17_000);
    let histogram = TimeSeries { histograms: vec![Histogram { schema: 9, ..Histogram::default() }], ..up(&[]) };
    let faults: Vec<(TimeSeries, &str)> = vec![
        (series(&[("job", "api")], &[(1, 1.0)]), "series {job=\"api\"} has no metric name (label __name__)"),
        (with(vec![]), "series {} has no metric name (label __name__)"),
        (
            series(&[("__name__", "up"), ("a", "1"), ("a", "2")], &[(1, 1.0)]),
            "duplicate label \"a\" in series up{a=\"1\",a=\"2\"}",
        ),
        (series(&[("__name__", "up"), ("", "1")], &[(1, 1.0)]), "a label of series up{=\"1\"} has an empty name"),
        (
            with(vec![label(b"__name__", b"up"), label(b"a", b"\xff")]),
            "a label of series up{a=\"\u{fffd}\"} is not UTF-8 text",
        ),
        (with(many), "has 65 labels; the limit is 64"),
        (
            series(&[("__name__", "up"), ("a", &long)], &[(1, 1.0)]),
            "the value of label \"a\" has 17000 bytes; the limit is 16384",
        ),
        (
            up(&[(1_767_225_600_000_000_000, 1.0)]),
            "timestamp 1767225600000000000 of series up{job=\"api\"} is out of range; timestamps are epoch milliseconds",
        ),
        (histogram, "a native histogram of series up{job=\"api\"} is invalid: schema 9 is not known"),
    ];
    for (idx, (fault, expected)) in faults.iter().enumerate() {
        let stamp = i64::try_from(idx).unwrap();
        let reply = write(&server, V1, request(vec![fault.clone(), series(&[("__name__", "good")], &[(stamp, 1.0)])]));
        assert_eq!(reply.status, 400, "{expected}");
        let message = reply.text();
        let unquoted = message.replace("\\\"", "\"");
        assert!(unquoted.contains("1 of 2 samples refused: ") && unquoted.contains(expected), "{message}");
    }
    assert_eq!(samples(&server).as_array().unwrap().len(), faults.len());
    let metrics = server.get("/metrics").text();
    for expected in [
        "almanac_ingest_samples_total 9",
        "almanac_ingest_refused_total{reason=\"no_name\"} 2",
        "almanac_ingest_refused_total{reason=\"invalid_label\"} 3",
        "almanac_ingest_refused_total{reason=\"label_count\"} 1",
        "almanac_ingest_refused_total{reason=\"label_length\"} 1",
        "almanac_ingest_refused_total{reason=\"timestamp\"} 1",
        "almanac_ingest_refused_total{reason=\"native_histogram\"} 1",
    ] {
        assert!(metrics.contains(expected), "{expected}\n{metrics}");
    }
}

#[test]
fn a_partial_write_of_2_0_reports_the_written_samples() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let entry = |labels_refs: &[u32]| TimeSeriesV2 {
        labels_refs: labels_refs.to_vec(),
        samples: vec![SampleV2 { value: 1.0, timestamp: 1, start_timestamp: 0 }],
        ..TimeSeriesV2::default()
    };
    let symbols = ["", "__name__", "up", "job"].map(str::to_owned).to_vec();
    let partial = Request { symbols: symbols.clone(), timeseries: vec![entry(&[1, 2]), entry(&[3, 2])] };
    let reply = write(&server, V2, body(&partial));
    assert_eq!((reply.status, reply.header("x-prometheus-remote-write-samples-written")), (400, Some("1")));
    assert!(reply.text().contains("has no metric name"), "{}", reply.text());
    let broken = Request { symbols, timeseries: vec![entry(&[1, 2]), entry(&[1, 9])] };
    let reply = write(&server, V2, body(&broken));
    assert_eq!((reply.status, reply.header("x-prometheus-remote-write-samples-written")), (400, Some("0")));
    assert!(reply.text().contains("label reference 9 is outside the request's 4 symbols"), "{}", reply.text());
    assert_eq!(samples(&server), json!([["up", 1, 1.0]]));
}

#[test]
fn a_body_that_is_not_remote_write_is_rejected_completely() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("almanac.toml"), "[server]\nmax_body = \"1MiB\"\n").unwrap();
    let server = Server::start(folder.path());
    let good = request(vec![up(&[(1, 1.0)])]);
    let send = |content_type: &str, encoding: &str, body: Vec<u8>| {
        let request = server.request("POST", "/api/v1/write").header("content-type", content_type);
        let reply = server.send(request.header("content-encoding", encoding).body(body));
        (reply.status, reply.text())
    };
    let check = |found: (u16, String), status: u16, expected: &str| {
        assert_eq!(found.0, status, "{}", found.1);
        assert!(found.1.replace("\\\"", "\"").contains(expected), "{}", found.1);
    };
    check(send("text/plain", "snappy", good.clone()), 415, "content type \"text/plain\" is not remote write");
    check(send(V1, "gzip", good.clone()), 415, "content encoding \"gzip\" is not supported; use snappy");
    check(send(V1, "snappy", b"hello".to_vec()), 400, "the body is not a snappy block");
    check(send(V1, "snappy", Vec::new()), 400, "the body is not a snappy block");
    let truncated = snap::raw::Encoder::new().compress_vec(&[0x0a, 100, 1]).unwrap();
    check(send(V1, "snappy", truncated), 400, "the protobuf message is truncated");
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; 33 << 20]).unwrap();
    check(
        send(V1, "snappy", bomb[..1000].to_vec()),
        413,
        "the uncompressed request has 34603008 bytes; the limit is 33554432",
    );
    check(send(V1, "snappy", vec![0; 2 << 20]), 413, "the body has 2097152 bytes; server.max_body allows 1048576");
    // Decoded as declared, both would be empty and lost with a 204.
    check(send(V2, "snappy", good.clone()), 400, "the message is remote write 1.0, but Content-Type declares 2.0");
    let second = Request { symbols: vec![String::new()], timeseries: vec![TimeSeriesV2::default()] };
    check(send(V1, "snappy", body(&second)), 400, "the message is remote write 2.0, but Content-Type declares 1.0");
    assert_eq!(server.get("/api/v1/write").status, 405);
    assert_eq!(samples(&server), json!([]));
    assert_eq!(send(V1, "snappy", good).0, 204);
}

#[test]
fn beyond_the_limit_new_series_are_rejected_and_known_ones_are_accepted() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("almanac.toml"), "[store]\nmax_series = 2\n").unwrap();
    let server = Server::start(folder.path());
    let of = |name: &str, stamp: i64| series(&[("__name__", name)], &[(stamp, 1.0)]);
    assert_eq!(write(&server, V1, request(vec![of("a", 1), of("b", 1)])).status, 204);
    for _ in 0..2 {
        let reply = write(&server, V1, request(vec![of("a", 2), of("c", 2), of("d", 2), of("b", 2)]));
        assert_eq!(reply.status, 400);
        let text = reply.text();
        assert!(
            text.contains("2 of 4 samples refused: series c{} is new and the store has reached its limit of 2 series"),
            "{text}"
        );
    }
    assert_eq!(samples(&server), json!([["a", 1, 1.0], ["a", 2, 1.0], ["b", 1, 1.0], ["b", 2, 1.0]]));
    assert!(server.get("/metrics").text().contains("almanac_ingest_refused_total{reason=\"series_limit\"} 4"));
}
