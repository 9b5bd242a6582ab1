//! Starts on files that a kill, a power cut or an operator has left.

use std::fs;

use serde_json::json;
use tempfile::{TempDir, tempdir};

use super::{count, has_logged, import, metric, wait_until};
use crate::harness::Server;

/// Returns a folder with a store of 500 samples in its log, killed.
fn killed() -> TempDir {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for part in 0..5 {
        assert_eq!(import(&server, part * 100, 100).status, 200);
    }
    server.kill();
    folder
}

#[test]
fn a_torn_tail_of_the_log_is_dropped_with_a_line_that_says_how_much() {
    let folder = killed();
    let log = folder.path().join("almanac.duckdb.wal");
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend([0; 5_000]);
    fs::write(&log, bytes).unwrap();
    let server = Server::start(folder.path());
    assert_eq!((count(&server), metric(&server, "almanac_store_samples_lost")), (500, Some(0.0)));
    wait_until(&server, "the line", || has_logged(&server, &["not a complete transaction", "bytes=5000", "dropped"]));
}

#[test]
fn a_log_that_is_missing_or_ends_early_is_reported() {
    for keep in [None, Some(2)] {
        let folder = killed();
        let log = folder.path().join("almanac.duckdb.wal");
        match keep {
            Some(part) => {
                let bytes = fs::read(&log).unwrap();
                fs::write(&log, &bytes[..bytes.len() * part / 3]).unwrap();
            }
            None => fs::remove_file(&log).unwrap(),
        }
        let server = Server::start(folder.path());
        let (found, lost) = (count(&server), metric(&server, "almanac_store_samples_lost").unwrap());
        #[expect(clippy::cast_precision_loss, reason = "500")]
        let whole = found as f64 + lost;
        assert!(lost > 0.0 && (whole - 500.0).abs() < 0.5, "{found} found, {lost} lost");
        let line = format!("samples_lost={lost}");
        wait_until(&server, "the line", || has_logged(&server, &["that were acknowledged are missing", &line]));
        assert_eq!(server.get("/readyz").status, 200, "the service goes on");
        assert!(server.stop().success());
        // It is told once: what is missing stays missing.
        let server = Server::start(folder.path());
        assert_eq!(metric(&server, "almanac_store_samples_lost"), Some(0.0));
    }
}

#[test]
fn rests_of_interrupted_imports_are_removed() {
    let folder = tempdir().unwrap();
    let rest = folder.path().join(".almanac-import-almanac.duckdb-Ab3xYz");
    let kept = [".almanac-import-almanac.duckdb-b-Ab3xYz", ".almanac-import-other.duckdb-Ab3xYz", "mine"];
    for name in kept.iter().copied().chain([".almanac-import-almanac.duckdb-Ab3xYz"]) {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("body.csv"), "half").unwrap();
    }
    let server = Server::start(folder.path());
    assert!(!rest.exists());
    assert!(kept.iter().all(|name| folder.path().join(name).join("body.csv").exists()));
    // An import leaves nothing either.
    assert_eq!(import(&server, 0, 1).status, 200);
    assert!(!fs::read_dir(folder.path()).unwrap().flatten().any(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(".almanac-import-almanac.duckdb-") && !kept.contains(&name))
    }));
}

#[cfg(unix)]
#[test]
fn every_file_of_the_store_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let mut command = crate::harness::almanac_after(folder.path(), "umask 022;");
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::from_command(command);
    for _ in 0..2 {
        assert_eq!(import(&server, 0, 10).status, 200);
        for entry in fs::read_dir(folder.path()).unwrap().flatten() {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.file_name());
        }
        // The log is created anew after a checkpoint.
        assert_eq!(server.post_json("/v1/admin/compact", &json!({})).status, 200);
        assert_eq!(import(&server, 100, 10).status, 200);
    }
}

#[test]
fn a_damaged_block_has_its_own_code_and_metric() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    // Values that do not compress, so that they fill blocks of their own.
    let mut noise = 1_u64;
    let values: String = (0..100_000_i64)
        .map(|n| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("noise 0.{:018} {}\n", noise >> 5, n * 1000)
        })
        .collect();
    let text = format!("# TYPE noise gauge\n{values}");
    assert_eq!(server.post("/v1/import", "text/plain; version=0.0.4", text).status, 200);
    assert_eq!(server.post_json("/v1/admin/compact", &json!({})).status, 200);
    assert!(server.stop().success());
    let path = folder.path().join("almanac.duckdb");
    let whole = fs::read(&path).unwrap();
    let query = [("query", "sum(count_over_time(noise[40h]))"), ("time", "100000")];
    let damaged = (1..20).find_map(|part| {
        let mut bytes = whole.clone();
        let at = 12_288 + (bytes.len() - 12_288) * part / 20;
        bytes[at] ^= 4;
        fs::write(&path, bytes).unwrap();
        for side in ["almanac.duckdb.wal", "almanac.duckdb.state"] {
            let _ = fs::remove_file(folder.path().join(side));
        }
        // A byte of the catalogue is noticed at the start, one of a rollup by no query here.
        let started = crate::harness::run(folder.path(), ["sql", "SELECT 1"]);
        if started.code != Some(0) {
            return None;
        }
        let server = Server::start(folder.path());
        let reply = server.send(server.request("GET", "/api/v1/query").query(&query));
        (reply.status != 200).then_some((server, reply))
    });
    let (server, reply) = damaged.expect("one of the bytes belongs to the samples");
    assert_eq!((reply.status, &reply.json()["errorType"]), (500, &json!("store_damaged")), "{}", reply.text());
    assert!(reply.json()["error"].as_str().unwrap().contains("is damaged"));
    assert!(metric(&server, "almanac_store_damaged_blocks_total").unwrap() >= 1.0);
    let rows = server.get("/v1/samples?metric=noise&from=0&to=100000000&limit=100000");
    assert_eq!((rows.status, &rows.json()["error"]["code"]), (500, &json!("store_damaged")), "{}", rows.text());
    assert_eq!(import(&server, 100_000, 10).status, 200, "writes go on");
}
