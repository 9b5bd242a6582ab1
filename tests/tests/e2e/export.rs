//! `almanac export` of a stopped store and of a running service; Polars and DuckDB open the files, and an import takes
//! them back.

use std::{fmt::Write, fs, path::Path, process::Command};

use duckdb::Connection;
use tempfile::tempdir;

use crate::harness::{Server, notebook_python, run};

/// 2026-01-01T22:00:00Z: the samples are of two days.
const START_MS: i64 = 1_767_304_800_000;

/// Reads the folder as an analyst does, with Polars.
const POLARS: &str = r#"
import sys
import polars as pl
rows = pl.read_parquet(sys.argv[1] + "/**/*.parquet", hive_partitioning=True)
print(rows.columns, rows.height, rows["value"].null_count(), rows["stale_marker"].sum(), sorted(str(day) for day in rows["day"].unique()))
print(rows.filter(pl.col("metric") == "load")["labels"][0])
"#;

fn fill(folder: &Path) {
    let mut text = String::new();
    for idx in 0..240 {
        let at = START_MS + idx * 60_000;
        writeln!(text, "load{{host=\"a\",zone=\"x,\\\"y\\\"\"}} {} {at}", 0.1 * (idx % 7) as f64).unwrap();
        writeln!(text, "up 1 {at}").unwrap();
    }
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    fs::write(folder.join("a.prom"), lines.join("\n") + "\n").unwrap();
    // The series ends with a stale marker.
    let line = format!(
        "{{\"metric\":{{\"__name__\":\"up\"}},\"values\":[\"stale\"],\"timestamps\":[{}]}}\n",
        START_MS + 240 * 60_000
    );
    fs::write(folder.join("b.ndjson"), line).unwrap();
    let imported = run(folder, ["import", "a.prom", "b.ndjson"]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
}

fn all(folder: &Path) -> String {
    let sql = "SELECT s.name, s.labels::VARCHAR, count(*), sum(value), max(timestamp) FROM samples JOIN series s USING (series_id) \
               GROUP BY ALL ORDER BY ALL";
    let asked = run(folder, ["sql", sql, "--format", "csv"]);
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    asked.stdout
}

#[test]
fn files_are_opened_by_others_and_taken_back() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    let expected = all(folder.path());
    let done = run(folder.path(), ["export", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.starts_with("out: 481 samples of 2 series on 2 days, "), "{}", done.stdout);
    let out = folder.path().join("out");
    let read = Command::new(notebook_python(false)).args(["-c", POLARS]).arg(&out).output().unwrap();
    let shown = String::from_utf8_lossy(&read.stdout).into_owned() + &String::from_utf8_lossy(&read.stderr);
    assert!(
        shown.starts_with(
            "['metric', 'labels', 'timestamp', 'value', 'stale_marker', 'day'] 481 1 1 ['2026-01-01', '2026-01-02']"
        ),
        "{shown}"
    );
    assert!(shown.contains("'zone'") && shown.contains("'x,\"y\"'"), "{shown}");
    let found: (i64, f64, String) = Connection::open_in_memory()
        .unwrap()
        .query_row(
            &format!(
                "SELECT count(*), round(sum(value), 6), any_value(labels['zone']) FROM read_parquet('{}/*/*.parquet', hive_partitioning = true) \
                 WHERE metric = 'load' AND day = '2026-01-01'",
                out.display()
            ),
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((found.0, found.2.as_str()), (120, "x,\"y\""));
    for (format, folder_name) in [("parquet", "out"), ("csv", "csv"), ("ndjson", "json")] {
        if format != "parquet" {
            let done = run(folder.path(), ["export", folder_name, "--format", format]);
            assert_eq!(done.code, Some(0), "{}", done.stderr);
        }
        let target = tempdir().unwrap();
        let from = folder.path().join(folder_name);
        let back = run(target.path(), ["import", from.to_str().unwrap()]);
        assert_eq!(back.code, Some(0), "{}", back.stderr);
        assert_eq!(all(target.path()), expected, "{format}");
    }
}

#[test]
fn a_service_exports_what_its_store_would() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    let span = ["--match", "load{host=\"a\"}", "--from", "2026-01-01T23:30:00Z", "--until", "2026-01-02T00:29:00Z"];
    let stopped = run(folder.path(), [&["export", "stopped", "--format", "ndjson"], span.as_slice()].concat());
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    assert!(stopped.stdout.starts_with("stopped: 60 samples of 1 series on 2 days, "), "{}", stopped.stdout);
    let server = Server::start(folder.path());
    let running = run(
        folder.path(),
        [&["export", "running", "--format", "ndjson", "--url", &server.url], span.as_slice()].concat(),
    );
    assert_eq!(running.code, Some(0), "{}", running.stderr);
    for day in ["day=2026-01-01", "day=2026-01-02"] {
        let files = |of: &str| {
            let entries = fs::read_dir(folder.path().join(of).join(day)).unwrap();
            let mut found: Vec<_> = entries.map(|entry| entry.unwrap()).collect();
            found.sort_by_key(|entry| entry.file_name());
            found.iter().map(|entry| (entry.file_name(), fs::read_to_string(entry.path()).unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(files("stopped"), files("running"), "{day}");
    }
    // What a careless person would try.
    for (args, expected) in [
        (vec!["export", "running", "--url", &server.url], "is not empty; give a new or an empty folder"),
        (vec!["export", "a.prom"], "in use by another process"),
        (vec!["export", "new", "--db", "none.duckdb"], "none.duckdb"),
        (vec!["export", "new", "--match", "sum(up)"], "is not a series selector"),
        (vec!["export", "new", "--from", "yesterday"], "is not a time"),
    ] {
        let refused = run(folder.path(), &args);
        assert!(refused.code != Some(0) && refused.stderr.contains(expected), "{args:?}: {refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{args:?}: {refused:?}");
    }
    assert!(!folder.path().join("new").exists());
    let nothing = run(folder.path(), ["export", "nothing", "--match", "other", "--url", &server.url]);
    assert_eq!(nothing.stdout, "nothing: no sample matches\n");
}
