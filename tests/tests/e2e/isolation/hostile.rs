//! Statements that pass the check and end a process, take its memory or do not stop: the service is not affected.

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use super::status;
use crate::harness::Server;

/// Address space of a worker above its start, in MiB: `[sql] memory` and half more.
const WORKER_MIB: u64 = 384;

/// Statements with the codes that they may end with; 200 stands for an answer.
const STATEMENTS: [(&str, &[&str]); 12] = [
    ("SELECT lag(1,-9223372036854775808) OVER ()", &["sql_crashed"]),
    (
        "SELECT (string_agg('[','') || string_agg(']',''))::JSON::VARIANT FROM range(20000)",
        &["sql_crashed", "sql_invalid"],
    ),
    (
        "SELECT reservoir_quantile(range,0.5,2147483647) FROM range(100000) GROUP BY range",
        &["sql_crashed", "sql_memory"],
    ),
    ("SELECT length(replace(s,'a',s)) FROM (SELECT string_agg('a','') s FROM range(100000))", &["sql_memory"]),
    (
        "SELECT length(concat(s,s,s,s,s,s,s,s)) FROM (SELECT concat(s,s,s,s,s,s,s,s) s FROM (SELECT concat(s,s,s,s,s,s,s,s) s \
         FROM (SELECT string_agg('aaaaaaaaaa','') s FROM range(1000000))))",
        &["sql_memory"],
    ),
    (
        "SELECT length(hex(hex(hex(hex(hex(hex(hex(hex(s))))))))) FROM (SELECT string_agg('aaaaaaaaaa','') s FROM range(1000000))",
        &["sql_memory"],
    ),
    ("SELECT list_value(range(100000),range(100000),range(100000)) FROM range(10000)", &["sql_memory", "sql_deadline"]),
    ("SELECT approx_top_k(range,1000) OVER (ORDER BY range) FROM range(100000)", &["sql_memory", "sql_deadline"]),
    ("SELECT s LIKE '%a_a%a_b' FROM (SELECT string_agg('aaaaaaaaaa','') s FROM range(100000))", &["sql_deadline"]),
    (
        "SELECT regexp_matches(s,s) FROM (SELECT string_agg('aaaaaaaaaa','') s FROM range(100000))",
        &["sql_invalid", "sql_deadline"],
    ),
    ("SELECT list(range) FROM range(1000000000)", &["sql_memory", "sql_deadline"]),
    ("SELECT histogram(range) FROM range(100000000)", &["sql_memory", "sql_deadline"]),
];

/// Returns the processes that the service has started.
fn workers(service: u32) -> Vec<u32> {
    let path = format!("/proc/{service}/task");
    let tasks = fs::read_dir(path).map(|tasks| tasks.filter_map(Result::ok).collect::<Vec<_>>()).unwrap_or_default();
    let children = tasks.iter().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

#[test]
fn a_hostile_statement_ends_at_worst_its_own_worker() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), "[sql]\nmemory = \"256MiB\"\nworkers = 2\n").unwrap();
    let server = Server::start(folder.path());
    server.sql("SELECT 42");
    let before = status(server.id(), "VmHWM");
    let ended = AtomicBool::new(false);
    let peaks = thread::scope(|scope| {
        let watched = scope.spawn(|| {
            let mut peaks = BTreeMap::new();
            while !ended.load(Ordering::Acquire) {
                for pid in workers(server.id()) {
                    let peak = peaks.entry(pid).or_insert(0);
                    *peak = status(pid, "VmHWM").max(*peak);
                }
                thread::sleep(Duration::from_millis(20));
            }
            peaks
        });
        // A light statement beside each hostile one is answered by the other worker.
        scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                assert_eq!(server.sql("SELECT 42"), json!([[42]]));
                thread::sleep(Duration::from_millis(50));
            }
        });
        for (sql, codes) in STATEMENTS {
            let reply = server.post_json("/v1/sql", &json!({ "sql": sql, "timeout_ms": 3_000 }));
            let body = reply.json();
            let code = body["error"]["code"].as_str().unwrap_or("200").to_owned();
            assert!(codes.contains(&code.as_str()), "{sql}: {}", reply.text());
        }
        ended.store(true, Ordering::Release);
        watched.join().unwrap()
    });
    assert_eq!(server.get("/healthz").status, 200);
    assert!(status(server.id(), "VmHWM") < before + 128, "{before} MiB became {}", status(server.id(), "VmHWM"));
    // Some 60 MiB of a worker are shared libraries.
    assert!(peaks.values().all(|peak| *peak < WORKER_MIB + 128), "{peaks:?}");
    assert!(peaks.len() > 2, "no worker was replaced: {peaks:?}");
}

/// An endless statement in every worker holds SQL for its deadline, and nothing else.
#[test]
fn statements_that_ignore_the_interrupt_are_ended_at_their_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let endless = "SELECT s LIKE '%a_a%a_b' FROM (SELECT string_agg('aaaaaaaaaa','') s FROM range(100000))";
    thread::scope(|scope| {
        let running: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| server.post_json("/v1/sql", &json!({ "sql": endless, "timeout_ms": 1_000 }))))
            .collect();
        for thread in running {
            assert_eq!(thread.join().unwrap().json()["error"]["code"], "sql_deadline");
        }
    });
    assert_eq!(server.sql("SELECT 42"), json!([[42]]));
}

/// A worker has no environment, no file and no connection of the service.
#[test]
fn a_worker_inherits_nothing_and_ends_with_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.sql("SELECT count(*) FROM samples");
    let pids = workers(server.id());
    assert!(!pids.is_empty());
    // Where the library of DuckDB is, and how its allocator takes address space; nothing of the service's own.
    let is_given = |one: &str| one.is_empty() || one.contains("LIBRARY_PATH=") || one == "MALLOC_ARENA_MAX=2";
    for pid in &pids {
        let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        assert!(environment.split('\0').all(is_given), "{environment}");
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
            assert!(!target.to_string_lossy().starts_with("socket:"), "{target:?}");
        }
    }
    server.kill();
    for _ in 0..500 {
        if pids.iter().all(|pid| !fs::exists(format!("/proc/{pid}/environ")).unwrap_or(false)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("workers survive the service: {pids:?}");
}
