//! A store that is moved away under the service, and a disk that is full at the start.

use std::fs;

use tempfile::tempdir;

use super::{count, has_logged, import, wait_until};
use crate::harness::{Server, almanac, almanac_after};

#[test]
fn a_store_that_is_moved_or_removed_takes_no_writes_and_says_so() {
    let outer = tempdir().unwrap();
    let (data, moved) = (outer.path().join("data"), outer.path().join("moved"));
    fs::create_dir(&data).unwrap();
    let mut command = almanac(outer.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--db"]).arg(data.join("a.duckdb"));
    let server = Server::from_command(command);
    assert_eq!(import(&server, 0, 10).status, 200);
    fs::rename(&data, &moved).unwrap();
    for attempt in 0..50 {
        let reply = server.post("/v1/events", "application/json", r#"{"deploys": [{"service": "a"}]}"#);
        assert_ne!(reply.status / 100, 2, "{attempt}: {}", reply.text());
        let body = crate::ingest::write_request(&[("__name__", "up")], &[(attempt * 1000, 1.0)]);
        let reply = server.send(server.request("POST", "/api/v1/write").body(body));
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")), "{attempt}: {}", reply.text());
    }
    let ready = server.get("/-/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("it was removed or moved"), "{}", ready.text());
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(super::metric(&server, "almanac_store_ready"), Some(0.0));
    assert_eq!(count(&server), 10, "reads go on");
    fs::rename(&moved, &data).unwrap();
    assert_eq!(server.get("/-/ready").status, 200);
    assert_eq!(import(&server, 100, 5).status, 200);
    assert_eq!(count(&server), 15);
    // Removed for good: the service still ends in order.
    fs::remove_dir_all(&data).unwrap();
    assert_eq!(server.get("/-/ready").status, 503);
    let _ = server.stop();
}

#[test]
fn a_restart_on_a_full_disk_serves_reads_and_continues_once_there_is_space() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for part in 0..10 {
        assert_eq!(import(&server, part * 5_000, 5_000).status, 200);
    }
    server.kill();
    // 256 blocks of 512 bytes, far less than the log has.
    let mut command = almanac_after(folder.path(), "ulimit -S -f 256;");
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::from_command(command);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(count(&server), 50_000);
    let body = || crate::ingest::write_request(&[("__name__", "up")], &[(90_000_000, 1.0)]);
    let reply = server.send(server.request("POST", "/api/v1/write").body(body()));
    assert_eq!(reply.status, 507, "{}", reply.text());
    wait_until(&server, "the line", || has_logged(&server, &["the disk is full"]));
    let pid = server.id().to_string();
    let freed = std::process::Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(freed.success());
    let reply = server.send(server.request("POST", "/api/v1/write").body(body()));
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(count(&server), 50_001);
}
