//! `almanac backup` while samples arrive and compactions run, and `almanac restore` of it.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;
use tempfile::tempdir;

use crate::harness::{Server, run};

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;
/// Samples of a batch.
const BATCH: i64 = 500;

/// Ends the threads of a test when it is dropped.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the samples of a batch as text: one each ten seconds, in two series.
fn batch(number: i64) -> String {
    let line = |name: &str, idx: i64| format!("{name} {idx} {}\n", START_MS + idx * 10_000);
    let of = |name: &str| -> String { (number * BATCH..(number + 1) * BATCH).map(|idx| line(name, idx)).collect() };
    of("a") + &of("b")
}

/// Counts the samples of a stopped store, each once, and those of the first batches.
fn counted(folder: &Path, db: &str, batches: i64) -> (i64, i64, i64) {
    let sql = format!(
        "SELECT count(*), count(DISTINCT (series_id, timestamp)), count(*) FILTER (epoch_ms(timestamp) < {}) FROM samples",
        START_MS + batches * BATCH * 10_000
    );
    let asked = run(folder, ["sql", &sql, "--format", "csv", "--db", db]);
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    let numbers: Vec<i64> = asked.stdout.lines().last().unwrap().split(',').map(|text| text.parse().unwrap()).collect();
    (numbers[0], numbers[1], numbers[2])
}

#[test]
fn a_backup_has_everything_acknowledged_before_it_began() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (acknowledged, is_done) = (AtomicI64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let number = acknowledged.load(Ordering::Relaxed);
                let reply = server.post("/v1/import?file=a.prom", "application/octet-stream", batch(number));
                assert_eq!(reply.status, 200, "{}", reply.text());
                acknowledged.store(number + 1, Ordering::SeqCst);
            }
        });
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let reply = server.post_json("/v1/admin/compact", &json!({}));
                assert_eq!(reply.status, 200, "{}", reply.text());
                thread::sleep(Duration::from_millis(100));
            }
        });
        // Also after a failed assertion, so that the threads end.
        let _ended = Ended(&is_done);
        for number in 0..3 {
            while acknowledged.load(Ordering::SeqCst) < 4 * (number + 1) {
                thread::yield_now();
            }
            let before = acknowledged.load(Ordering::SeqCst);
            let (file, db) = (format!("b{number}.duckdb"), format!("r{number}.duckdb"));
            let made = run(folder.path(), ["backup", &file, "--url", &server.url]);
            let after = acknowledged.load(Ordering::SeqCst) + 1;
            assert_eq!(made.code, Some(0), "{}", made.stderr);
            let restored = run(folder.path(), ["restore", &file, "--db", &db]);
            assert_eq!(restored.code, Some(0), "{}", restored.stderr);
            let (samples, distinct, first) = counted(folder.path(), &db, before);
            assert_eq!((samples, first), (distinct, 2 * BATCH * before), "backup {number} after {before} batches");
            assert!(samples <= 2 * BATCH * after, "{samples} samples of {after} batches");
            assert!(restored.stdout.contains(&format!(": {samples} samples of {file}")), "{}", restored.stdout);
        }
    });
    // Nothing is left of the copies, and a kill loses nothing.
    let batches = acknowledged.load(Ordering::SeqCst);
    server.kill();
    let (samples, distinct, _) = counted(folder.path(), "almanac.duckdb", batches);
    assert_eq!((samples, distinct), (2 * BATCH * batches, 2 * BATCH * batches));
    let left: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("part") || name.contains("download") || name.ends_with(".wal"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_cannot_be_copied_is_named_in_one_line() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.prom"), batch(0)).unwrap();
    assert_eq!(run(folder.path(), ["import", "a.prom"]).code, Some(0));
    let made = run(folder.path(), ["backup", "b.duckdb"]);
    assert!(made.stdout.starts_with("b.duckdb: 1000 samples, "), "{made:?}");
    let bytes = fs::read(at("b.duckdb")).unwrap();
    fs::write(at("short.duckdb"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(at("text.duckdb"), "hello").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let server = Server::start(folder.path());
    for (args, expected) in [
        (vec!["backup", "b.duckdb", "--url", &server.url], "b.duckdb exists already; give a new file"),
        (vec!["backup", "c.duckdb"], "is in use by another process"),
        (vec!["backup", "none/c.duckdb", "--url", &server.url], "No such file"),
        (vec!["restore", "almanac.duckdb", "--db", "new.duckdb"], "is in use by another process"),
        (vec!["restore", "b.duckdb", "--db", "short.duckdb"], "exists already; give a new file"),
        (vec!["restore", "short.duckdb", "--db", "new.duckdb"], "\"short.duckdb\" is damaged or truncated"),
        (vec!["restore", "text.duckdb", "--db", "new.duckdb"], "\"text.duckdb\" is not an Almanac store"),
        (vec!["restore", "folder", "--db", "new.duckdb"], "it is not a file"),
        (vec!["restore", "none.duckdb", "--db", "new.duckdb"], "none.duckdb"),
    ] {
        let refused = run(folder.path(), &args);
        assert!(refused.code == Some(1) && refused.stderr.contains(expected), "{args:?}: {refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{args:?}: {refused:?}");
    }
    for name in ["c.duckdb", "c.duckdb.part", "new.duckdb", "new.duckdb.part", "new.duckdb.part.wal"] {
        assert!(!at(name).exists(), "{name}");
    }
    // The files of a killed service, copied by hand with their log, are a backup too.
    let reply = server.post("/v1/import?file=a.prom", "application/octet-stream", batch(1));
    assert_eq!(reply.status, 200);
    server.kill();
    for end in ["", ".wal"] {
        fs::copy(at(&format!("almanac.duckdb{end}")), at(&format!("hand.duckdb{end}"))).unwrap();
    }
    let restored = run(folder.path(), ["restore", "hand.duckdb", "--db", "new.duckdb"]);
    assert_eq!(restored.stdout, "new.duckdb: 2000 samples of hand.duckdb\n", "{restored:?}");
    assert_eq!(counted(folder.path(), "new.duckdb", 2), (2_000, 2_000, 2_000));
    assert!(at("hand.duckdb.wal").exists(), "the backup is not changed");
}
