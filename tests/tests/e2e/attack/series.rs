//! Refused samples register no series, so that they cannot use up the limit.

use std::fs;

use tempfile::tempdir;

use super::{WRITE_V1, field, now, write};
use crate::harness::Server;

const LIMIT: usize = 50;

fn server(folder: &std::path::Path) -> Server {
    fs::write(folder.join("almanac.toml"), format!("[store]\nmax_series = {LIMIT}\n")).unwrap();
    Server::start(folder)
}

/// Returns a request with one sample for each of `count` series.
fn series(prefix: &str, count: usize, timestamp_ms: i64) -> Vec<u8> {
    let mut stamp = vec![0x10];
    let mut rest = timestamp_ms;
    while rest >= 0x80 {
        stamp.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    stamp.push(u8::try_from(rest).unwrap());
    let one = |number: usize| {
        let name = format!("{prefix}{number}");
        let label = field(1, &[field(1, b"__name__"), field(2, name.as_bytes())].concat());
        field(1, &[label, field(2, &stamp)].concat())
    };
    (0..count).flat_map(one).collect()
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
