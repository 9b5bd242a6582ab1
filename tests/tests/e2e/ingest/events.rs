//! Events over HTTP.

use std::{io::Write as _, path::Path};

use duckdb::Connection;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::Server;

/// Returns the numbers of cache events, deploys and incidents in the store of the stopped service.
fn counts(folder: &Path) -> (u64, u64, u64) {
    let store = Connection::open(folder.join("almanac.duckdb")).unwrap();
    let count = |table: &str| store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    (count("cache_events"), count("deploys"), count("incidents"))
}

#[test]
fn events_are_stored_once_however_often_they_are_sent() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let events = json!([
        {"type": "cache", "timestamp": 1000, "cache": "user_profile", "key": "1", "op": "get", "bytes": 10, "miss_cost_ms": 2.5},
        {"type": "cache", "timestamp": "1970-01-01T00:00:02Z", "cache": "user_profile", "key": "1", "op": "write"},
        {"type": "deploy", "timestamp": 3000, "service": "api", "version": "1.2"},
        {"type": "incident", "started_at": 4000, "ended_at": 5000, "title": "slow", "target": "api", "source": "pager"}
    ]);
    for _ in 0..2 {
        let reply = server.post_json("/v1/events", &events);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json(), json!({"cache": 2, "deploys": 1, "incidents": 1}));
    }
    let lines: String = events.as_array().unwrap().iter().map(|event| format!("{event}\n")).collect();
    assert_eq!(server.post("/v1/events", "application/x-ndjson", lines).status, 200);
    assert!(server.stop().success());
    assert_eq!(counts(folder.path()), (2, 1, 1));
}

#[test]
fn one_wrong_event_refuses_them_all() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let good = json!({"type": "deploy", "timestamp": 1, "service": "api"});
    let check = |bad: Value, expected: &str| {
        let reply = server.post_json("/v1/events", &json!([good, bad]));
        assert_eq!(reply.status, 400);
        assert_eq!(reply.json()["error"]["code"], "invalid_event");
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(expected), "{message}");
    };
    check(json!(5), "event 2: is not a JSON object");
    check(json!({"type": "party"}), "event 2: unknown type \"party\"; expected \"cache\", \"deploy\" or \"incident\"");
    check(json!({"type": "deploy", "timestamp": "soon", "service": "a"}), "event 2: \"soon\" is not a timestamp");
    check(
        json!({"type": "cache", "timestamp": 1, "cache": "c", "key": "k", "op": "read"}),
        "event 2: unknown variant `read`",
    );
    check(json!({"type": "incident", "started_at": 2, "ended_at": 1, "title": "t"}), "event 2: ends before it starts");
    let reply = server.post("/v1/events", "application/json", "[{");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("the body is not JSON"), "{}", reply.text());
    assert!(server.stop().success());
    assert_eq!(counts(folder.path()), (0, 0, 0));
}

#[test]
fn packed_events_are_unpacked_and_an_unknown_packing_is_refused() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let events = json!([{"type": "deploy", "timestamp": 3000, "service": "api", "version": "1.2"}]).to_string();
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(events.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let send = |encoding: &str| {
        let request = server.request("POST", "/v1/events").header("content-type", "application/json");
        server.send(request.header("content-encoding", encoding).body(packed.clone()))
    };
    let reply = send("gzip");
    assert_eq!((reply.status, reply.json()), (200, json!({"cache": 0, "deploys": 1, "incidents": 0})));
    assert_eq!(send("zstd").status, 415);
}
