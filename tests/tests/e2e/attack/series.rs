//! Refused samples register no series, so that they cannot use up the limit.

use std::fs;

use serde_json::json;
use tempfile::tempdir;

use super::{Memory, WRITE_V1, field, now, write};
use crate::harness::Server;

const LIMIT: usize = 50;

fn server(folder: &std::path::Path) -> Server {
    fs::write(folder.join("almanac.toml"), format!("[store]\nmax_series = {LIMIT}\n")).unwrap();
    Server::start(folder)
}

/// Returns a request with one sample for each of `count` series.
fn series(prefix: &str, count: usize, timestamp_ms: i64) -> Vec<u8> {
    let stamp = stamp(timestamp_ms);
    let one = |number: usize| {
        let name = format!("{prefix}{number}");
        let label = field(1, &[field(1, b"__name__"), field(2, name.as_bytes())].concat());
        field(1, &[label, field(2, &stamp)].concat())
    };
    (0..count).flat_map(one).collect()
}

/// Returns the protobuf field of a sample's timestamp.
fn stamp(timestamp_ms: i64) -> Vec<u8> {
    let mut stamp = vec![0x10];
    let mut rest = timestamp_ms;
    while rest >= 0x80 {
        stamp.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    stamp.push(u8::try_from(rest).unwrap());
    stamp
}

/// Asserts that as many honest series as the limit allows are accepted.
fn assert_free(server: &Server, what: &str) {
    let reply = write(server, WRITE_V1, &series("honest", LIMIT, now()));
    assert_eq!(reply.status, 204, "{what}: {}", reply.text());
}

#[test]
fn refused_timestamps_lock_nobody_out() {
    let folder = tempdir().unwrap();
    let server = server(folder.path());
    let two_hours = 7_200_000;
    for stamp in [now() + two_hours, now() / 1000, now() * 1000] {
        let reply = write(&server, WRITE_V1, &series("bad", 1000, stamp));
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
    let reply = write(&server, WRITE_V1, &series("bad", 1, now() + two_hours));
    let text = reply.text();
    assert!(text.contains("bad0") && text.contains("is in the future") && text.contains("ingest.max_ahead"), "{text}");
    assert_free(&server, "after refused timestamps");
}

#[test]
fn a_refused_import_locks_nobody_out() {
    let folder = tempdir().unwrap();
    let server = server(folder.path());
    let rows: String = (0..=LIMIT).map(|number| format!("bad{number} 1 {}\n", now())).collect();
    let reply = server.post("/v1/import?format=prometheus", "text/plain", rows);
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("limit of 50"), "{}", reply.text());
    let late_fault = (0..LIMIT).map(|number| format!("bad{number} 1 {}\n", now())).collect::<String>() + "bad x\n";
    assert_eq!(server.post("/v1/import?format=prometheus", "text/plain", late_fault).status, 400);
    assert_free(&server, "after refused imports");
}

/// Labels of new series are kept in memory, so their length has a limit of its own.
#[test]
fn long_labels_of_new_series_take_bounded_memory() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), "[store]\nmax_label_memory = \"8MiB\"\n").unwrap();
    let server = Server::start(folder.path());
    let memory = Memory::start(&server);
    // 6 requests of 1,000 series with a value of 15 kB each: 90 MB of distinct values, of which 8 MiB fit.
    for request in 0..6 {
        let one = |number: usize| {
            let label =
                |name: &str, value: &str| field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat());
            let value = format!("{request}-{number}-{}", "w".repeat(15_000));
            let labels = [label("__name__", "wide"), label("l", &value)].concat();
            field(1, &[labels, field(2, &stamp(now()))].concat())
        };
        let reply = write(&server, WRITE_V1, &(0..1_000).flat_map(one).collect::<Vec<u8>>());
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains("reached their limit of 8 MiB"), "{}", reply.text());
    }
    memory.assert_growth(200, "90 MB of labels");
    let import: String = format!("imported{{l=\"{}\"}} 1 {}\n", "i".repeat(15_000), now());
    let reply = server.post("/v1/import?format=prometheus", "application/octet-stream", import);
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("label_limit")), "{}", reply.text());
    let reply = write(&server, WRITE_V1, &series("h", 5, now()));
    assert_eq!(reply.status, 204, "short names still fit: {}", reply.text());
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("almanac_store_label_limit_bytes 8388608"), "{metrics}");
}
