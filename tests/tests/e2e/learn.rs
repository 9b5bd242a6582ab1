//! `almanac learn`, on a stopped store and through a running service.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{Server, run};

/// Returns an hour of a gauge until now at a step of fifteen seconds, with a season of five minutes.
fn gauge() -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let begin = now - now % 15_000 - 240 * 15_000;
    let line =
        |step: i64| format!("load {} {}\n", 50.0 + f64::from(i32::try_from(step % 20).unwrap()), begin + step * 15_000);
    format!("# TYPE load gauge\n{}", (0..=240).map(line).collect::<String>())
}

fn signals(asked: &str) -> Vec<Value> {
    let table: Value = serde_json::from_str(asked).unwrap();
    table["rows"].as_array().unwrap().clone()
}

#[test]
fn a_running_service_learns_on_command() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let reply = server.post("/v1/import", "text/plain; version=0.0.4", gauge());
    assert_eq!(reply.status, 200, "{}", reply.text());
    let learned = run(folder.path(), ["learn", "--url", &server.url]);
    assert_eq!(learned.code, Some(0), "{}", learned.stderr);
    assert!(
        learned.stdout.starts_with("learned: 1 signals fitted, 0 with too few values, 0 failed, 0 not due; "),
        "{}",
        learned.stdout
    );
    let again = run(folder.path(), ["learn", "--url", &server.url]);
    assert!(
        again.stdout.starts_with("learned: 0 signals fitted, 0 with too few values, 0 failed, 1 not due; "),
        "{}",
        again.stdout
    );
    let query = "SELECT signal, status FROM signals";
    let asked = run(folder.path(), ["sql", query, "--url", &server.url, "--format", "json"]);
    assert_eq!(signals(&asked.stdout), [serde_json::json!(["load", "ready"])]);
}

#[test]
fn a_stopped_store_is_learned_in_place() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("load.prom"), gauge()).unwrap();
    assert_eq!(run(folder.path(), ["import", "load.prom"]).code, Some(0));
    let learned = run(folder.path(), ["learn"]);
    assert_eq!(learned.code, Some(0), "{}", learned.stderr);
    assert!(learned.stdout.starts_with("learned: 1 signals fitted, "), "{}", learned.stdout);
    let asked =
        run(folder.path(), ["sql", "SELECT count(*) > 0 FROM forecasts WHERE signal = 'load'", "--format", "json"]);
    assert_eq!(signals(&asked.stdout), [serde_json::json!([true])]);
}

/// Samples of last month are learned as of their newest one.
#[test]
fn a_store_of_old_samples_is_learned_as_of_its_newest() {
    let folder = tempdir().unwrap();
    let lines: String =
        (0..=240_i64).map(|step| format!("load {} {}\n", 50 + step % 20, 1_767_225_600_000 + step * 15_000)).collect();
    std::fs::write(folder.path().join("load.prom"), format!("# TYPE load gauge\n{lines}")).unwrap();
    assert_eq!(run(folder.path(), ["import", "load.prom"]).code, Some(0));
    let learned = run(folder.path(), ["learn"]);
    assert_eq!(
        learned.stderr,
        "almanac: the newest sample is from 2026-01-01T01:00:00.000Z; this time is used as the present\n"
    );
    assert!(learned.stdout.starts_with("learned: 1 signals fitted, "), "{}", learned.stdout);
}

#[test]
fn a_missing_store_and_an_unreachable_service_are_reported() {
    let folder = tempdir().unwrap();
    let ended = run(folder.path(), ["learn"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.stderr,
        "almanac: the store almanac.duckdb does not exist; set its path with --db, or create it with almanac serve\n"
    );
    let ended = run(folder.path(), ["learn", "--url", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.starts_with("almanac: the service at http://127.0.0.1:1 did not answer: "),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stderr.lines().count(), 1);
}
