//! Import of files by command and over HTTP.

use std::path::Path;

use serde_json::json;
use tempfile::tempdir;

use super::samples;
use crate::harness::{Server, run};

const GOOD: &str = "series,timestamp,value,host\ncpu,1000,1.5,a\ncpu,2000,2,b\n";
const BAD: &str = "series,timestamp,value,host\ncpu,3000,1,a\ncpu,soon,2,b\n";
const FAULT: &str = "line 3, column \"timestamp\": \"soon\" is not a timestamp: \
                     RFC 3339 such as 2026-01-31T12:00:00Z, or integer epoch milliseconds";

fn file(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn the_command_imports_into_a_store() {
    let folder = tempdir().unwrap();
    file(folder.path(), "a.csv", GOOD);
    file(folder.path(), "load.csv", "timestamp,value\n1000,7\n");
    for _ in 0..2 {
        let ended = run(folder.path(), ["import", "a.csv", "load.csv"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert_eq!(ended.stdout, "a.csv: 2 samples of 2 series\nload.csv: 1 samples of 1 series\n");
    }
    let server = Server::start(folder.path());
    assert_eq!(
        samples(&server),
        json!([["cpu{host=\"a\"}", 1000, 1.5], ["cpu{host=\"b\"}", 2000, 2.0], ["load", 1000, 7.0]])
    );
}

/// All files are checked first: a valid file before an invalid one is not stored either.
#[test]
fn a_bad_file_is_one_line_on_stderr_and_nothing_in_the_store() {
    let folder = tempdir().unwrap();
    file(folder.path(), "good.csv", GOOD);
    file(folder.path(), "bad.csv", BAD);
    let ended = run(folder.path(), ["import", "good.csv", "bad.csv"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(ended.stderr, format!("almanac: bad.csv, {FAULT}\n"));
    let ended = run(folder.path(), ["import", "missing.csv"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("almanac: missing.csv: cannot be read: "), "{}", ended.stderr);
    assert_eq!(run(folder.path(), ["import"]).code, Some(2));
    assert_eq!(samples(&Server::start(folder.path())), json!([]));
}

#[test]
fn the_command_imports_into_a_running_service() {
    let folder = tempdir().unwrap();
    file(folder.path(), "a.csv", GOOD);
    file(folder.path(), "load.csv", "timestamp,value\n1000,7\n");
    file(folder.path(), "bad.csv", BAD);
    let server = Server::start(folder.path());
    let ended = run(folder.path(), ["import", "--url", &server.url, "a.csv", "load.csv"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, "a.csv: 2 samples of 2 series\nload.csv: 1 samples of 1 series\n");
    let expected = json!([["cpu{host=\"a\"}", 1000, 1.5], ["cpu{host=\"b\"}", 2000, 2.0], ["load", 1000, 7.0]]);
    assert_eq!(samples(&server), expected);
    let ended = run(folder.path(), ["import", "--url", &server.url, "bad.csv"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr, format!("almanac: the service at {} answered 400: bad.csv, {FAULT}\n", server.url));
    assert_eq!(samples(&server), expected);
}

#[test]
fn bodies_of_every_format_are_taken() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let parquet = folder.path().join("p.parquet");
    duckdb::Connection::open_in_memory()
        .unwrap()
        .execute_batch(&format!(
            "COPY (SELECT 'p' AS series, TIMESTAMP '1970-01-01 00:00:01' AS \"timestamp\", 4 AS value)
             TO '{}' (FORMAT parquet)",
            parquet.display()
        ))
        .unwrap();
    let bodies: [(&str, &str, Vec<u8>); 5] = [
        ("/v1/import", "text/csv", b"series,timestamp,value\nc,1000,1\n".to_vec()),
        ("/v1/import", "application/x-ndjson", b"{\"series\":\"n\",\"timestamp\":1000,\"value\":2}".to_vec()),
        ("/v1/import?format=prometheus", "text/plain", b"t 3 1000\n".to_vec()),
        ("/v1/import", "application/octet-stream", std::fs::read(parquet).unwrap()),
        ("/v1/import?series=named", "text/csv", b"timestamp,value\n1000,5\n".to_vec()),
    ];
    for (path, content_type, body) in bodies {
        let reply = server.post(path, content_type, body);
        assert_eq!(reply.status, 200, "{path} {content_type}: {}", reply.text());
        assert_eq!(reply.json(), json!({"samples": 1, "series": 1}));
    }
    assert_eq!(
        samples(&server),
        json!([["c", 1000, 1.0], ["n", 1000, 2.0], ["named", 1000, 5.0], ["p", 1000, 4.0], ["t", 1000, 3.0]])
    );
}

#[test]
fn an_invalid_body_is_rejected_with_its_place_and_stores_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let check = |path: &str, content_type: &str, body: &str, code: &str, expected: &str| {
        let reply = server.post(path, content_type, body);
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert_eq!(reply.json()["error"]["code"], code);
        assert_eq!(reply.json()["message"], expected);
    };
    check("/v1/import", "text/csv", BAD, "invalid_file", &format!("body, {FAULT}"));
    check("/v1/import", "text/csv", "", "invalid_file", "body: is empty");
    check(
        "/v1/import",
        "text/csv",
        "timestamp,value\n1,2\n",
        "invalid_file",
        "body: has no column \"series\"; give a series name",
    );
    check(
        "/v1/import",
        "text/csv",
        "a,b\n1,2\n",
        "invalid_file",
        "body: has no column \"timestamp\"; its columns are \"a\", \"b\"",
    );
    check(
        "/v1/import?file=../x.prom",
        "",
        "up 1 1\nup{ 2\n",
        "invalid_file",
        "x.prom, line 2: \"2\" is not a label name",
    );
    check(
        "/v1/import",
        "application/json",
        "{\"series\":1}",
        "invalid_file",
        "body: has no column \"timestamp\"; its columns are \"series\"",
    );
    check(
        "/v1/import?format=xml",
        "text/csv",
        GOOD,
        "invalid_parameter",
        "format \"xml\" is not one of csv, parquet, ndjson, prometheus",
    );
    check(
        "/v1/import?fromat=csv",
        "text/csv",
        GOOD,
        "unknown_parameter",
        "unknown parameter \"fromat\"; did you mean \"format\"?",
    );
    let reply = server.post("/v1/import?format=parquet", "", "PAR1 and nothing else PAR1");
    assert!(reply.text().contains("body: not a readable Parquet file"), "{}", reply.text());
    assert_eq!(samples(&server), json!([]));
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".almanac-import-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
