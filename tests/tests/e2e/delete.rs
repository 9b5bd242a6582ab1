//! `almanac delete` on a stopped store, and on a running service that is killed right after it.

use almanac_engine::{
    series::Labels,
    store::{SampleBatch, Store, StoreOptions},
};
use tempfile::tempdir;

use crate::harness::{Server, run};

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

/// Returns two series of an hour with one sample per minute.
fn samples() -> String {
    let line = |name: &str, n: i64| format!("{name} {} {}\n", n % 7, START_MS + n * 60_000);
    let lines: String = (0..60).flat_map(|n| [line("gone", n), line("stays", n)]).collect();
    let mut sorted: Vec<&str> = lines.lines().collect();
    sorted.sort_unstable();
    sorted.join("\n") + "\n"
}

fn counts(folder: &std::path::Path) -> String {
    let sql = "SELECT name, count(*) FROM samples JOIN series USING (series_id) GROUP BY name ORDER BY name";
    let asked = run(folder, ["sql", sql, "--format", "csv"]);
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    asked.stdout.lines().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_span_of_a_stopped_store_is_counted_then_deleted() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("a.prom"), samples()).unwrap();
    assert_eq!(run(folder.path(), ["import", "a.prom"]).code, Some(0));
    let span = ["--from", "2026-01-01T00:10:00Z", "--until", "2026-01-01T00:19:59Z"];
    let dry = run(folder.path(), [&["delete", "--match", "gone", "--dry-run"], span.as_slice()].concat());
    assert_eq!(
        dry.stdout,
        "would delete 10 samples of 1 series from 2026-01-01T00:10:00.000Z to 2026-01-01T00:19:00.000Z, with 0 rollup rows; \
         forecasts, scores and recommendations are kept\n"
    );
    assert_eq!(counts(folder.path()), "gone,60 stays,60");
    let done = run(folder.path(), [&["delete", "--match", "gone"], span.as_slice()].concat());
    assert!(done.stdout.starts_with("deleted 10 samples of 1 series from "), "{}", done.stdout);
    assert_eq!(counts(folder.path()), "gone,50 stays,60");
    let whole = run(folder.path(), ["delete", "--match", "{__name__=\"gone\"}"]);
    assert!(whole.stdout.contains("; 1 empty series removed;"), "{}", whole.stdout);
    assert_eq!(run(folder.path(), ["compact"]).code, Some(0));
    assert_eq!(counts(folder.path()), "stays,60");
}

#[test]
fn a_deletion_by_a_service_survives_its_kill() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("a.prom"), samples()).unwrap();
    assert_eq!(run(folder.path(), ["import", "a.prom"]).code, Some(0));
    let server = Server::start(folder.path());
    let done =
        run(folder.path(), ["delete", "--match", "gone", "--from", "2026-01-01T00:30:00Z", "--url", &server.url]);
    assert_eq!(
        (done.code, done.stdout.starts_with("deleted 30 samples of 1 series")),
        (Some(0), true),
        "{}",
        done.stderr
    );
    let refused = run(folder.path(), ["delete", "--match", "{__name__!=\"\"}", "--url", &server.url]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("to delete everything use {__name__=~\".+\"}"), "{}", refused.stderr);
    server.kill();
    assert_eq!(counts(folder.path()), "gone,30 stays,60");
}

#[test]
fn a_wrong_call_is_refused_before_a_store_is_opened() {
    let folder = tempdir().unwrap();
    for (args, message) in [
        (vec!["delete"], "--match <SELECTOR>"),
        (vec!["delete", "--match", ""], "match is empty"),
        (vec!["delete", "--match", "rate(up[5m])"], "is not a series selector"),
        (vec!["delete", "--match", "up", "--from", "soon"], "from \"soon\" is not a time"),
    ] {
        let ended = run(folder.path(), args);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{}", ended.stderr);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
    }
    let ended = run(folder.path(), ["delete", "--match", "up"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("the store almanac.duckdb does not exist"), "{}", ended.stderr);
}

/// A timestamp in microseconds that is read as milliseconds is in the year 57971.
#[test]
fn one_stamp_far_ahead_does_not_stop_learning() {
    let folder = tempdir().unwrap();
    let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default()).unwrap();
    let load = store.resolve(&Labels::from_pairs([("__name__", "load")]).unwrap()).unwrap();
    let mut batch = SampleBatch::default();
    for step in 0..=240_i64 {
        batch.push(load, START_MS + step * 15_000, f64::from(i32::try_from(50 + step % 20).unwrap()));
    }
    batch.push(load, START_MS * 1_000, 1.0);
    store.append(batch).unwrap().wait().unwrap();
    store.close().unwrap();
    let learned = run(folder.path(), ["learn"]);
    assert!(learned.stdout.starts_with("learned: 1 signals fitted, "), "{} {}", learned.stdout, learned.stderr);
    let lines: Vec<&str> = learned.stderr.lines().collect();
    assert!(lines[0].starts_with("almanac: some samples are in the future, the newest at +5797"), "{}", lines[0]);
    assert_eq!(
        lines[1],
        "almanac: the newest sample is from 2026-01-01T01:00:00.000Z; this time is used as the present"
    );
    // The command that the message names.
    let removed = run(folder.path(), ["delete", "--match", "load", "--from", "now"]);
    assert!(removed.stdout.starts_with("deleted 1 samples of 1 series"), "{}", removed.stdout);
    assert_eq!(run(folder.path(), ["learn"]).stderr.lines().count(), 1);
}
