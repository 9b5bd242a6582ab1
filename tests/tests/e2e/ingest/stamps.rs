//! Timestamps in the future or in another unit: every ingest path rejects and counts them and stores the other samples.

use std::time::{SystemTime, UNIX_EPOCH};

use duckdb::Connection;
use serde_json::json;
use tempfile::tempdir;

use super::proto::{MetricMetadata, WriteRequest, body, request, series};
use crate::harness::{Server, run};

const DAY: i64 = 86_400_000;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Returns invalid timestamps, each with a part of the expected error.
fn wrong() -> [(i64, &'static str); 4] {
    let now = now();
    [
        (now + 2 * DAY, "is in the future"),
        (now * 1000, "is in the future"),
        (now * 1_000_000, "is out of range"),
        (now / 1000, "looks like epoch seconds"),
    ]
}

#[test]
fn remote_write_refuses_them_and_stores_the_others() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for (stamp, words) in wrong() {
        let write = server.request("POST", "/api/v1/write").header("content-type", "application/x-protobuf");
        let samples = [(stamp, 1.0), (now(), 2.0)];
        let reply = server.send(write.body(request(vec![series(&[("__name__", "load")], &samples)])));
        assert_eq!(reply.status, 400, "{stamp}");
        let text = reply.text();
        assert!(text.contains("1 of 2 samples refused") && text.contains(words), "{text}");
    }
    let query = [("query", "count_over_time(load[1h])")];
    let reply = server.send(server.request("GET", "/api/v1/query").query(&query)).json();
    assert_eq!(reply["data"]["result"][0]["value"][1], "4", "{reply}");
    assert!(server.get("/metrics").text().contains("almanac_ingest_refused_total{reason=\"timestamp\"} 4"));
}

#[test]
fn events_are_refused_with_their_number() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for (stamp, words) in wrong() {
        let good = json!({"type": "deploy", "timestamp": now(), "service": "api"});
        let reply =
            server.post_json("/v1/events", &json!([good, {"type": "deploy", "timestamp": stamp, "service": "api"}]));
        assert_eq!(reply.status, 400, "{stamp}");
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        // The parser of events rejects a timestamp out of range as "not a timestamp".
        assert!(
            message.starts_with("event 2: ") && (message.contains(words) || message.contains("is not a timestamp")),
            "{message}"
        );
    }
}

#[test]
fn files_are_refused_and_seconds_are_read_with_a_note() {
    let folder = tempdir().unwrap();
    let write = |name: &str, stamp: &str| {
        std::fs::write(folder.path().join(name), format!("series,timestamp,value\nload,{stamp},1\n")).unwrap();
    };
    write("ahead.csv", &(now() + 2 * DAY).to_string());
    write("seconds.csv", &(now() / 1000).to_string());
    let server = Server::start(folder.path());
    let import = |name: &str| run(folder.path(), ["import", "--url", &server.url, name]);
    let ended = import("ahead.csv");
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("ahead.csv, line 2: timestamp ") && ended.stderr.contains("is in the future"),
        "{}",
        ended.stderr
    );
    let ended = import("seconds.csv");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "seconds.csv: 1 samples of 1 series\n"));
    assert!(ended.stderr.contains("seconds.csv: integer timestamps are read as epoch seconds"), "{}", ended.stderr);
    let query = [("query", "count_over_time(load[1h])")];
    let reply = server.send(server.request("GET", "/api/v1/query").query(&query)).json();
    assert_eq!(reply["data"]["result"][0]["value"][1], "1", "{reply}");
}

/// `ingest.max_ahead` sets the bound.
#[test]
fn a_wider_bound_takes_later_timestamps() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("almanac.toml"), "[ingest]\nmax_ahead = \"7d\"\n").unwrap();
    let server = Server::start(folder.path());
    let body = format!("load 1 {}\n", now() + 2 * DAY);
    assert_eq!(server.post("/v1/import?format=prometheus", "text/plain", body).status, 200);
}

#[test]
fn metadata_of_a_request_are_kept() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let metadata = MetricMetadata {
        kind: 3,
        metric_family_name: "lag_seconds".to_owned(),
        help: "How late.".to_owned(),
        unit: "seconds".to_owned(),
    };
    let request = WriteRequest { timeseries: Vec::new(), metadata: vec![metadata] };
    let write = server.request("POST", "/api/v1/write").header("content-type", "application/x-protobuf");
    assert_eq!(server.send(write.body(body(&request))).status, 204);
    assert!(server.stop().success());
    let store = Connection::open(folder.path().join("almanac.duckdb")).unwrap();
    let row: (String, String, String, String) = store
        .query_row("SELECT metric, type, help, unit FROM metadata", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    let expected = ["lag_seconds", "histogram", "How late.", "seconds"].map(str::to_owned);
    assert_eq!([row.0, row.1, row.2, row.3], expected);
}
