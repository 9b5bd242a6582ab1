//! The audit file has a line for every state change, and for attempts that were refused.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{eventually, tokens::new_token};
use crate::harness::Server;

#[test]
fn every_change_through_http_is_recorded() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), "[server]\naudit_file = \"audit.jsonl\"\n").unwrap();
    let [ops, reader] = [("ingest,read,act,admin", "ops"), ("read", "reader")]
        .map(|(scope, name)| new_token(folder.path(), scope, name));
    let server = Server::start(folder.path()).with_token(&ops);
    let csv = "series,timestamp,value\nup,1795420800000,1\n";
    assert_eq!(server.post("/v1/import?file=up.csv", "text/csv", csv).status, 200);
    let events = json!([{"type": "deploy", "timestamp": "2026-01-01T00:00:00Z", "service": "api"}]);
    assert_eq!(server.post_json("/v1/events", &events).status, 200);
    assert_eq!(server.post_json("/v1/admin/learn", &json!({})).status, 200);
    assert_eq!(server.post_json("/v1/admin/compact", &json!({})).status, 200);
    assert_eq!(server.post_json("/v1/admin/delete", &json!({"match": "up", "dry_run": true})).status, 200);
    assert_eq!(server.post_json("/v1/recommendations/none/accept", &json!({})).status, 404);
    assert_eq!(server.post("/v1/admin/compact", "text/plain", "{}").status, 415);
    assert_eq!(server.get("/v1/samples?metric=up").status, 200);
    let server = server.with_token(&reader);
    assert_eq!(server.post_json("/v1/admin/delete", &json!({"match": "up"})).status, 403);
    let path = folder.path().join("audit.jsonl");
    let lines = eventually("ten records", || {
        let text = fs::read_to_string(&path).unwrap();
        (text.lines().count() >= 9)
            .then(|| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>())
    });
    // Each record is written after its answer, so that two of them may change places.
    let mut found: Vec<String> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            assert!(text("at").ends_with('Z'));
            assert!(text("who") == "almanac" || text("from").starts_with("127.0.0.1:"), "{line}");
            format!("{} {} {} = {}", text("who"), text("what"), text("target"), text("result"))
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "almanac service.start almanac.duckdb Auth(token) = ok",
            "ops events.add 0 cache events, 1 deploys, 0 incidents = ok",
            "ops recommendation.accept /v1/recommendations/none/accept = 404 unknown_recommendation",
            "ops samples.delete up from the first sample until the last sample (dry run) = ok",
            "ops samples.import file \"up.csv\" = ok",
            "ops signals.learn /v1/admin/learn = ok",
            "ops store.compact /v1/admin/compact = 415 unsupported_media_type",
            "ops store.compact /v1/admin/compact = ok",
            "reader samples.delete /v1/admin/delete = 403 forbidden",
        ]
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // The log is read from a pipe, so that its last line may arrive later than the file's.
    let logged = || server.log().iter().filter(|line| line.contains("audit") && line.contains("state change")).count();
    eventually("every record in the log", || (logged() >= lines.len()).then_some(()));
    assert_eq!(logged(), lines.len());
}

#[test]
fn an_audit_file_that_cannot_be_written_stops_the_start() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), "[server]\naudit_file = \"none/audit.jsonl\"\n").unwrap();
    let ended = crate::harness::run(folder.path(), ["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("the audit file none/audit.jsonl could not be written"), "{}", ended.stderr);
    assert!(!folder.path().join("almanac.duckdb").exists());
}
